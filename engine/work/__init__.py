"""From a request to a result: frozen values in, jobs on the engine thread, frozen values out."""
