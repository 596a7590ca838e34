"""Why a command was refused, as a picture and in words: from a recorded log, a decision, or a command on trial."""
