"""One panel a file; a panel knows the state and the service's answers, and no other panel."""
