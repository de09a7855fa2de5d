# zsh -f zsh-completions.zsh SCRIPT LINE…: what an interactive zsh that has read SCRIPT offers at the end of each line.
zmodload zsh/zpty
offers=$(mktemp)
trap 'rm -f $offers' EXIT
zpty shell "TERM=dumb zsh -f -i"
zpty -w shell "
  PROMPT= RPROMPT=
  autoload -Uz compinit && compinit -u -D
  source ${(q)1}
  compadd() {
    if [[ \$* == *(-O|-A|-D)* ]]; then builtin compadd \"\$@\"; return; fi
    local -a found
    builtin compadd -O found \"\$@\"
    print -rl -- \$found >> $offers
    builtin compadd \"\$@\"
  }
  finish() { BUFFER= CURSOR=0; print -r -- '#end' >> $offers }
  zle -N finish
  bindkey '^G' finish
  unsetopt beep menu_complete auto_menu
  print -r -- '#end' >> $offers
"
shift
wait_for() {
  repeat 600; do
    (( $(grep -c '^#end' $offers) >= $1 )) && return
    zpty -rt shell ignored 2>/dev/null
    sleep 0.05
  done
  exit 1
}
wait_for 1
count=1
for line; do
  zpty -wn shell "$line"$'\t\a'
  wait_for $(( ++count ))
done
sed 1d $offers
