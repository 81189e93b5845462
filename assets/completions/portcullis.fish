# Completions of portcullis for fish. The program itself lists the values; this passes it the words.

function __portcullis_complete
    set --local words (commandline --current-process --tokenize --cut-at-cursor)
    set --local current (string unescape -- (commandline --current-token --cut-at-cursor); or commandline --current-token --cut-at-cursor)
    PORTCULLIS_COMPLETE=fish command portcullis -- $words "$current" 2>/dev/null
end

complete --command portcullis --no-files --keep-order --arguments '(__portcullis_complete)'
