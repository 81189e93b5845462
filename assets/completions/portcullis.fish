# Completions of portcullis for fish. The program itself lists the values; this passes it the words.

function __portcullis_complete
    set --local words (commandline --current-process --tokenize --cut-at-cursor)
    set --local token (commandline --current-token --cut-at-cursor)
    # Of a word in an open quote, the quote is closed.
    set --local current (string unescape -- "$token"; or string unescape -- "$token'"; or string unescape -- "$token\""; or echo "$token")
    PORTCULLIS_COMPLETE=fish command portcullis -- $words "$current" 2>/dev/null
end

complete --command portcullis --no-files --keep-order --arguments '(__portcullis_complete)'
