# As probe.sh, for Windows; the line before sets $encoded. Targets are tried one after another.
$ErrorActionPreference = 'Stop'
$lines = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($encoded)) -split "`n"
$kind, $loopback, $a, $b, $c, $d, $e = $lines[0..6]

function Say($outcome, $status, $contains, $text) {
    $bytes = [Text.Encoding]::UTF8.GetBytes([string]$text)
    $limit = if ($kind -eq 'dns') { 8000 } else { 200 }
    if ($bytes.Length -gt $limit) { $bytes = $bytes[0..($limit - 1)] }
    $shown = if ($bytes.Length) { [Convert]::ToBase64String($bytes) } else { '-' }
    "drs-waves $number $outcome $($watch.ElapsedMilliseconds) $status $contains $shown"
}

function Resolve($name) {
    $found = [Net.Dns]::GetHostAddresses($name)
    foreach ($ip in $found) {
        $text = $ip.ToString()
        if ([Net.IPAddress]::IsLoopback($ip) -and $loopback -eq 'yes') { continue }
        if ($text -match '^(127\.|169\.254\.|0\.|fe[89ab].:|fd00:ec2:|::|64:ff9b:|2002:)') {
            throw "$name has the address $text, which is refused"
        }
    }
    $found[0]
}

function Connect($ip, $port) {
    $client = New-Object Net.Sockets.TcpClient($ip.AddressFamily)
    if (-not $client.ConnectAsync($ip, [int]$port).Wait(10000)) { throw 'no connection within 10 s' }
    $client.SendTimeout = $client.ReceiveTimeout = 10000
    $client
}

function Get-Page($name, $ip) {
    $stream = (Connect $ip $b).GetStream()
    if ($a -eq 'https') {
        $any = if ($d -eq 'yes') { $null } else { [Net.Security.RemoteCertificateValidationCallback] { $true } }
        $stream = New-Object Net.Security.SslStream($stream, $false, $any)
        $stream.AuthenticateAsClient($name)
    }
    $place = if ($name -match ':') { "[$name]:$b" } else { "${name}:$b" }
    $request = "GET $c HTTP/1.0`r`nHost: $place`r`nUser-Agent: drs-waves`r`n`r`n"
    $bytes = [Text.Encoding]::ASCII.GetBytes($request)
    $stream.Write($bytes, 0, $bytes.Length)
    $buffer, $length = (New-Object byte[] 65536), 0
    while ($watch.ElapsedMilliseconds -lt 10000 -and $length -lt 65536) {
        $got = $stream.Read($buffer, $length, 65536 - $length)
        if ($got -eq 0) { break }
        $length += $got
    }
    [Text.Encoding]::UTF8.GetString($buffer, 0, $length)
}

function Get-Records {
    if ($c -and $d -ne '53') { throw 'a server with Windows asks DNS servers at port 53 only' }
    $server = if ($c) { @{ Server = (Resolve $c).ToString() } } else { @{} }
    Resolve-DnsName -Name $b -Type $a -DnsOnly @server | Where-Object { $_.Type -eq $a } | ForEach-Object {
        if ($a -eq 'TXT') { '"' + (($_.Strings -join '') -replace '([\\"])', '\$1') + '"' }
        elseif ($a -eq 'CNAME') { $_.NameHost }
        else { $_.IPAddress }
    }
}

$number = 0
foreach ($target in $lines[7..($lines.Length - 1)]) {
    $number++
    $watch = [Diagnostics.Stopwatch]::StartNew()
    try { $ip = if ($kind -ne 'dns') { Resolve $target } } catch { Say inconclusive - - $_; continue }
    try {
        if ($kind -eq 'tcp') { (Connect $ip $a).Close(); Say passed - - '' }
        elseif ($kind -eq 'dns') { Say answered - - ((Get-Records) -join "`n") }
        else {
            $head, $body = (Get-Page $target $ip) -split "`r`n`r`n", 2
            if ($head -notmatch '^HTTP/\S+ (\d+)') { throw 'its answer is no HTTP' }
            $contains = if (-not $e -or "$body".Contains($e)) { 'yes' } else { 'no' }
            Say answered $Matches[1] $contains $body
        }
    } catch {
        $outcome = if ($kind -eq 'dns') { 'inconclusive' } else { 'failed' }
        # What is thrown names the type and the method as well.
        Say $outcome - - $_.Exception.GetBaseException().Message
    }
}
