"""The log over KurrentDB's protocol, against calls that do nothing, on the same machine in the same run."""
