#compdef portcullis
# Completions of portcullis for zsh. The program itself lists the values; this passes it the words.

_portcullis() {
    local -a rows folders others
    local row
    local -i ret=1
    rows=("${(@f)$(PORTCULLIS_COMPLETE=zsh command portcullis -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    # zsh would quote a ~ in a value, so it stays as it was typed.
    if [[ $PREFIX == \~/* ]]; then
        compset -P '\~/'
        rows=("${rows[@]#\~/}")
    fi
    for row in $rows; do
        # What follows a directory, or the = of an option, belongs to the same word.
        case $row in
            */|*=) folders+=("$row") ;;
            *) others+=("$row") ;;
        esac
    done
    (( $#others )) && _describe -V value others && ret=0
    (( $#folders )) && _describe -V folder folders -S '' && ret=0
    return ret
}

# As a file in $fpath, this is the body of the function at its first call.
if [[ $funcstack[1] == _portcullis ]]; then
    _portcullis "$@"
else
    compdef _portcullis portcullis
fi
