# Tries a check from this server. "$1" is base64 of lines: the kind, whether loopback addresses are
# allowed, five values of the kind, then the targets. For each target it prints a line:
# drs-waves NUMBER OUTCOME MILLISECONDS STATUS CONTAINS TEXT-IN-BASE64
LC_ALL=C; export LC_ALL
lines=$(printf %s "$1" | base64 -d) || exit 1
line() { printf '%s\n' "$lines" | sed -n "${1}p"; }
kind=$(line 1) loopback=$(line 2) a=$(line 3) b=$(line 4) c=$(line 5) d=$(line 6) e=$(line 7)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

now() { date +%s%N | sed 's/N$/000000000/; s/......$//'; }

say() { # outcome, status, contains, text
    text=$(printf %s "$4" | head -c "${limit:-200}" | base64 | tr -d '\n')
    printf 'drs-waves %s %s %s %s %s %s\n' "$number" "$1" $(($(now) - begin)) "$2" "$3" "${text:--}"
    exit 0
}

resolve() { # host; sets $ip
    command -v getent >/dev/null || say inconclusive - - "the server has no getent"
    found=$(getent ahosts -- "$1" | awk '!seen[$1]++ { print $1 }')
    [ -n "$found" ] || say inconclusive - - "$1 cannot be resolved on the server"
    for ip in $found; do
        case $ip in
            127.* | ::1) [ "$loopback" = yes ] && continue ;;
            169.254.* | 0.* | fe[89ab]?:* | fd00:ec2:* | ::* | 64:ff9b:* | 2002:*) ;;
            *) continue ;;
        esac
        say inconclusive - - "$1 has the address $ip, which is refused"
    done
    ip=${found%%
*}
}

try_tcp() { # $a: port
    resolve "$1"
    command -v bash >/dev/null || say inconclusive - - "the server has no bash"
    timeout 10 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$ip" "$a" 2>"$dir/$number"
    case $? in
        0) say passed - - "" ;;
        124) say failed - - "no connection within 10 s" ;;
        *) say failed - - "$(sed -n '1s/.*connect: //p' "$dir/$number")" ;;
    esac
}

try_http() { # $a: scheme, $b: port, $c: path, $d: whether the certificate is verified, $e: contains
    resolve "$1"
    command -v curl >/dev/null || say inconclusive - - "the server has no curl"
    host=$1
    case $host in *:*) host="[$1]" ;; esac
    case $ip in *:*) ip="[$ip]" ;; esac
    [ "$d" = yes ] && verify= || verify=--insecure
    curl -q -sS -g $verify --max-time 10 --noproxy '*' -A drs-waves --resolve "$host:$b:$ip" \
        -D "$dir/$number.head" -- "$a://$host:$b$c" 2>"$dir/$number" | head -c 65536 >"$dir/$number.body"
    status=$(sed -n 's/^HTTP\/[^ ]* \([0-9][0-9]*\).*/\1/p' "$dir/$number.head" 2>/dev/null | tail -n 1)
    [ -n "$status" ] || say failed - - "$(cat "$dir/$number")"
    contains=yes
    [ -z "$e" ] || grep -aqF -- "$e" "$dir/$number.body" || contains=no
    say answered "$status" $contains "$(tr -d '\000' <"$dir/$number.body")"
}

try_dns() { # $a: type, $b: name, $c: DNS server or nothing, $d: its port
    limit=8000
    if command -v dig >/dev/null; then
        set -- +short +tries=1 +time=10 -t "$a" -q "$b"
        if [ -n "$c" ]; then resolve "$c"; set -- "$@" -p "$d" "@$ip"; fi
        dig "$@" >"$dir/$number" 2>&1 || say inconclusive - - "$(cat "$dir/$number")"
    elif [ -z "$c" ] && [ "$a" = A ]; then
        getent ahostsv4 -- "$b" | awk '{ print $1 }' >"$dir/$number"
    else
        say inconclusive - - "the server has no dig"
    fi
    say answered - - "$(cat "$dir/$number")"
}

number=0
printf '%s\n' "$lines" | sed 1,7d >"$dir/targets"
while IFS= read -r target; do
    number=$((number + 1))
    (begin=$(now); "try_$kind" "$target") &
done <"$dir/targets"
wait
