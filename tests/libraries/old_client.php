<?php
// A marketplace client in PHP: a class on libcurl that reads the bytes as they come, and
// `file_get_contents`, which speaks HTTP/1.0 and hands out header lines as they are.
//
// Arguments: the gateway over http, over https, the file of the authority. Prints a line
// for each of both.

const HOST = 'marketplace.example.com';
const KEY = 'pk_demo_northwind_0123456789abcdef0123456789';
// Old clients give up after that.
const PATIENCE = 14;

function need($condition, ...$why)
{
    if (!$condition) {
        fwrite(STDERR, json_encode($why) . "\n");
        exit(1);
    }
}

function by_curl($url, $authority)
{
    $curl = curl_init($url);
    curl_setopt_array($curl, [
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CONNECTTIMEOUT => 5,
        CURLOPT_TIMEOUT => PATIENCE,
        CURLOPT_CAINFO => $authority,
        CURLOPT_USERAGENT => 'marketplace-php/0.9',
        CURLOPT_HTTPHEADER => ['Host: ' . HOST],
        CURLOPT_ENCODING => 'gzip',
    ]);
    $body = curl_exec($curl);
    need($body !== false, $url, curl_error($curl));
    return [curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $body];
}

function by_stream($url, $authority)
{
    $context = stream_context_create([
        'http' => ['header' => 'Host: ' . HOST, 'timeout' => PATIENCE, 'ignore_errors' => true],
        'ssl' => ['cafile' => $authority, 'verify_peer' => true],
    ]);
    $body = file_get_contents($url, false, $context);
    need($body !== false, $url);
    return [$http_response_header, $body];
}

[, $http, $https, $authority] = $argv;
foreach ([$http, $https] as $base) {
    [$status, $body] = by_curl($base . '/api/v3/northwind/' . KEY . '/vitals.json', $authority);
    $found = json_decode($body);
    // Where it is no object, PHP goes on without a word.
    need($status === 200 && is_object($found) && $found->vitals->username === 'northwind', $body);
    need(is_string($found->vitals->balance), $body);
    [$status, $body] = by_curl($base . '/api/v1/user:nobody.json', $authority);
    need($status === 404 && json_decode($body)->error === 404, $status, $body);
    [$lines, $body] = by_stream($base . '/api/edge/item:4615.json', $authority);
    need(preg_match('~^HTTP/1\.[01] 200 OK$~', $lines[0]) === 1, $lines);
    need(in_array('X-Ratelimit-Total: 100', $lines, true), $lines);
    need(in_array('X-Powered-By: Express', $lines, true), $lines);
    need(json_decode($body)->item->cost === '12.00', $body);
    [$lines, $body] = by_stream($base . '/api/v2/new-files-from-user:northwind,themeforest.json', $authority);
    need(count(json_decode($body, true)['new-files-from-user']) > 0, $body);
    echo 'php ', parse_url($base, PHP_URL_SCHEME), "\n";
}
