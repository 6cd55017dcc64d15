complete --keep-order --exclusive --command tails-server --arguments "(COMPLETE=fish tails-server -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
