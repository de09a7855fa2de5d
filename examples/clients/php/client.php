#!/usr/bin/env php
<?php

// A client of Countersign, in PHP (8.1 or newer) with its extensions openssl and curl.
//
//     client.php enrol CA_URL TOKEN_FILE    a key and a certificate, for an enrolment token → client.pem
//     client.php call URL                   calls URL every second, and takes up a renewed client.pem without a restart
//     client.php renew CA_URL               another key and another certificate → client.pem
//
// It works in the current folder, where ca.crt is the CA's root. client.pem is key, certificate and issuing CA.

declare(strict_types=1);

function enrol(string $caUrl, string $tokenFile): void
{
    if (file_exists('client.pem')) {
        throw new RuntimeException('client.pem is there already: renew it, or move it away');
    }
    $token = trim(file_get_contents($tokenFile));
    if (!preg_match('/^\w+$/D', $token)) {
        throw new RuntimeException("$tokenFile has no token");
    }
    [$key, $csr] = pendingRequest();
    install($key, ask("$caUrl/v1/certificates", connection(null), $csr, ["Authorization: Bearer $token"]));
}

function renew(string $caUrl): void
{
    [$key, $csr] = pendingRequest();
    install($key, ask("$caUrl/v1/certificates/renew", connection(file_get_contents('client.pem')), $csr));
}

function call(string $url): never
{
    $credential = file_get_contents('client.pem');
    $connection = connection($credential);
    for (;; sleep(1)) {
        try {
            // A renewal puts another file in its place. While there is none, the one from before will do.
            clearstatcache();
            $found = is_file('client.pem') ? file_get_contents('client.pem') : $credential;
            if ($found !== $credential) {
                // A handle keeps its connections, and a connection the certificate of its handshake: so, another handle.
                [$connection, $credential] = [connection($found), $found];
            }
            echo trim(send($connection, $url)), "\n";
        } catch (RuntimeException $error) { // this may pass, as when an admin suspends and resumes it
            fwrite(STDERR, $error->getMessage() . "\n");
        }
    }
}

/**
 * Returns the key and the CSR (PEM) of next.pem, which is made if it is not there.
 *
 * They are on the disk before they are sent, and stay until there is a certificate. So when an answer gets lost, the next
 * attempt sends the same CSR and is given the same answer. The CA takes another CSR for somebody else's: it refuses the
 * token as used, or suspends the client as one whose key was copied.
 */
function pendingRequest(): array
{
    if (!file_exists('next.pem')) {
        // The CA takes nothing but the key from a CSR. Without this, it would get the names in the system's openssl.cnf.
        $config = tmpfile();
        fwrite($config, "[req]\ndistinguished_name = empty\n[empty]\n");
        $options = ['config' => stream_get_meta_data($config)['uri'], 'digest_alg' => 'sha256'];
        // It goes by the curve, but wants to be told bits as well.
        $type = ['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1', 'private_key_bits' => 2048];
        $key = openssl_pkey_new($options + $type);
        openssl_pkey_export($key, $keyText, null, $options);
        openssl_csr_export(openssl_csr_new([], $key, $options), $csrText);
        replace('next.pem', $keyText . $csrText);
    }
    $text = file_get_contents('next.pem');
    $at = strpos($text, '-----BEGIN CERTIFICATE REQUEST-----');
    return [substr($text, 0, $at), substr($text, $at)];
}

/** Sends the CSR and returns the chain (PEM): the certificate, then the issuing CA. */
function ask(string $url, CurlHandle $connection, string $csr, array $headers = []): string
{
    $types = ['Content-Type: application/pkcs10', 'Accept: application/pem-certificate-chain'];
    curl_setopt_array($connection, [CURLOPT_POSTFIELDS => $csr, CURLOPT_HTTPHEADER => [...$types, ...$headers]]);
    return send($connection, $url);
}

function install(string $key, string $chain): void
{
    if (!openssl_x509_check_private_key($chain, $key)) {
        throw new RuntimeException('this is not the certificate of the key');
    }
    replace('client.pem', $key . $chain);
    unlink('next.pem');
}

function connection(?string $credential): CurlHandle
{
    $connection = curl_init();
    curl_setopt_array($connection, [
        CURLOPT_CAINFO => 'ca.crt',
        CURLOPT_CAPATH => '/dev/null', // or curl would trust the system's CAs besides
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
        CURLOPT_PROTOCOLS => CURLPROTO_HTTPS,
    ]);
    if ($credential !== null) {
        curl_setopt_array($connection, [CURLOPT_SSLCERT_BLOB => $credential, CURLOPT_SSLKEY_BLOB => $credential]);
    }
    return $connection;
}

function send(CurlHandle $connection, string $url): string
{
    curl_setopt($connection, CURLOPT_URL, $url);
    $body = curl_exec($connection);
    if ($body === false) {
        throw new RuntimeException(curl_error($connection));
    }
    $status = curl_getinfo($connection, CURLINFO_RESPONSE_CODE);
    if ($status < 300) {
        return $body;
    }
    $problem = json_decode($body, true); // RFC 9457
    throw new RuntimeException(isset($problem['code']) ? "$problem[code]: $problem[detail]" : "HTTP status $status");
}

/** Writes a file for this user alone, onto the disk. Whoever reads it finds the old one or the new one, never a part. */
function replace(string $path, string $text): void
{
    if (is_link("$path.new") || file_exists("$path.new")) {
        unlink("$path.new");
    }
    $file = fopen("$path.new", 'x');
    fwrite($file, $text);
    fsync($file);
    fclose($file);
    rename("$path.new", $path);
}

umask(0077);
set_error_handler(fn (int $level, string $message) => throw new RuntimeException($message));
try {
    if ($argc > 2 && !str_starts_with($argv[2], 'https://')) {
        throw new RuntimeException('the URL has to begin with https://');
    }
    match ([$argv[1] ?? '', $argc]) {
        ['enrol', 4] => enrol(rtrim($argv[2], '/'), $argv[3]),
        ['call', 3] => call($argv[2]),
        ['renew', 3] => renew(rtrim($argv[2], '/')),
        default => throw new RuntimeException('usage: client.php enrol CA_URL TOKEN_FILE | call URL | renew CA_URL'),
    };
} catch (Throwable $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(1);
}
