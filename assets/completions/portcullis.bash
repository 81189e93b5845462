# Completions of portcullis for bash. The program itself lists the values; this passes it the line.

_portcullis() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(PORTCULLIS_COMPLETE=bash command portcullis -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    # What follows a directory, or the = of an option, belongs to the same word.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

# Without bash's own completions, which take @ for a host. Before version 4.4, bash sorts the values.
complete -o nosort -F _portcullis portcullis 2>/dev/null ||
    complete -F _portcullis portcullis
