#!/bin/sh
# A client of Countersign: a POSIX shell, curl and OpenSSL. It enrols and renews by EST (RFC 7030).
#
#     client.sh enrol CA_URL TOKEN_FILE    a key and a certificate, for an enrolment token → client.pem
#     client.sh call URL                   calls URL every second, and takes up a renewed client.pem without a restart
#     client.sh renew CA_URL               another key and another certificate → client.pem
#
# It works in the current folder, where ca.crt is the CA's root. client.pem is key, certificate and issuing CA.

set -euC
umask 077
newline='
'

enrol() {
  [ ! -e client.pem ] || fail 'client.pem is there already: renew it, or move it away'
  token=$(cat "$2")
  case $token in '' | *[!A-Za-z0-9_]*) fail "$2 has no token" ;; esac
  prepare
  # Others on this machine can see the arguments of a program, so curl is told the token on its standard input.
  obtain "$1" simpleenroll -K - <<END
user = "client:$token"
END
}

renew() {
  prepare
  obtain "$1" simplereenroll --cert client.pem --key client.pem
}

call() {
  [ -r client.pem ] || fail 'there is no client.pem: enrol first'
  while :; do
    # Each curl is another process and another connection, and reads client.pem anew. A refusal may pass.
    ask "$1" --cert client.pem --key client.pem || :
    sleep 1
  done
}

# Puts a key and a CSR into next.pem, unless it is there.
#
# They are on the disk before they are sent, and stay until there is a certificate. So when an answer gets lost, the next
# attempt sends the same CSR and is given the same answer. The CA takes another CSR for somebody else's: it refuses the
# token as used, or suspends the client as one whose key was copied.
prepare() {
  if [ ! -e next.pem ]; then
    key=$(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)
    csr=$(echo "$key" | openssl req -new -key /dev/stdin -subj /) # the CA takes nothing but the key from it
    printf '%s\n' "$key" "$csr" | replace next.pem
  fi
}

# obtain CA_URL OPERATION [CURL_OPTION...]: has the CSR signed, and puts the certificate in its place.
obtain() {
  est=${1%/}/.well-known/est
  operation=$2
  shift 2
  csr=$(openssl req -in next.pem -outform DER | openssl base64 -A)
  answer=$(ask "$est/$operation" -H 'Content-Type: application/pkcs10' --data "$csr" "$@")
  leaf=$(printf '%s' "$answer" | certificates)
  # The answer is the certificate alone. The CA that signed it, which servers want to see, is among those of /cacerts.
  answer=$(ask "$est/cacerts")
  issuer=$(printf '%s\n' "$leaf" | sed -n 's/^issuer=/subject=/p')
  chain=$(printf '%s' "$answer" | certificates | issuer=$issuer awk '/^subject=/ { on = $0 == ENVIRON["issuer"] } on')

  key=$(openssl pkey -in next.pem)
  [ "$(printf '%s\n' "$leaf" | openssl x509 -noout -pubkey)" = "$(openssl pkey -in next.pem -pubout)" ] ||
    fail 'this is not the certificate of the key'
  printf '%s\n' "$key" "$leaf" "$chain" | sed -n '/^-----BEGIN/,/^-----END/p' | replace client.pem
  rm next.pem
}

# replace FILE: what comes on standard input, in a new file (-C) of this user's alone. A rename puts it in its place at once.
replace() {
  rm -f "$1.new"
  cat >"$1.new"
  sync "$1.new"
  mv "$1.new" "$1"
}

# Turns the certificates of an EST answer, PKCS#7 in base64 in lines of any length, into PEM below their subject and issuer.
certificates() {
  {
    echo '-----BEGIN PKCS7-----'
    tr -d '\r\n' | fold -w 64
    echo
    echo '-----END PKCS7-----'
  } | openssl pkcs7 -print_certs
}

# ask URL [CURL_OPTION...]: prints the body of the answer. Unless it is 200, it says why on standard error, and fails.
ask() {
  # It trusts ca.crt, and no other CA: without --capath, many a curl would trust the system's besides. -q: no ~/.curlrc.
  answer=$(curl -q -sS --proto =https --cacert ca.crt --capath /dev/null --max-time 30 -w '\n%{http_code}' "$@") || return 1
  status=${answer##*"$newline"}
  answer=${answer%"$newline"*}
  if [ "$status" = 200 ]; then
    printf '%s\n' "${answer%"$newline"}"
    return
  fi
  # A problem document (RFC 9457), which is one line of JSON.
  code=$(printf '%s\n' "$answer" | sed -n 's/.*"code":"\([^"]*\)".*/\1/p')
  detail=$(printf '%s\n' "$answer" | sed -n 's/.*"detail":"\([^"]*\)".*/\1/p')
  echo "${code:-HTTP status $status}: $detail" >&2
  return 1
}

fail() {
  echo "$1" >&2
  exit 1
}

case "${1-} $# ${2-}" in
  'enrol 3 https://'* | 'call 2 https://'* | 'renew 2 https://'*) "$@" ;;
  'enrol 3 '* | 'call 2 '* | 'renew 2 '*) fail 'the URL has to begin with https://' ;;
  *) fail 'usage: client.sh enrol CA_URL TOKEN_FILE | call URL | renew CA_URL' ;;
esac
