<?php

/*
 * PHP: its own curl; or Social Channel's package in this process (FFI), or by a service's socket.
 *
 *   php peer.php curl ORIGIN TOKEN profile N | at-once N | upload FILE
 *   php peer.php ours CONFIG CHANNEL profile N | upload FILE        CONFIG: the host's, as JSON
 */

declare(strict_types=1);

use SocialChannel\Host;
use SocialChannel\Model\JobStatus;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;

const AT_ONCE = 64;
const CHUNK = 64_000_000;
const FIELDS = 'open_id,display_name,avatar_url,avatar_large_url,bio_description,profile_deep_link,is_verified,username';

[, $way, $where, $who, $work, $value] = $argv;

/** KiB, of this process. */
function resident(string $name): int
{
    preg_match("/$name:\s+(\d+)/", (string) file_get_contents('/proc/self/status'), $found);
    return (int) $found[1];
}

function times(callable $call, int $count): void
{
    $micros = [];
    for ($round = 0; $round < $count; $round++) {
        $begun = hrtime(true);
        $call();
        $micros[] = (hrtime(true) - $begun) / 1e3;
    }
    echo json_encode(['micros' => array_slice($micros, intdiv($count, 10))]), "\n";
}

function piece(float $seconds, int $idle): void
{
    echo json_encode(['seconds' => $seconds, 'peak_kib' => max(resident('VmHWM') - $idle, 0)]), "\n";
}

function curl(string $origin, string $token): CurlHandle
{
    $curl = curl_init("$origin/v2/user/info/?fields=" . FIELDS);
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_HTTPHEADER => ["Authorization: Bearer $token"]]);
    return $curl;
}

function checked(string|false|null $body): void
{
    $answer = json_decode((string) $body, true);
    if (!isset($answer['data']['user']['display_name'])) {
        throw new RuntimeException("no profile: $body");
    }
}

/** All calls by one multi handle, whose connections are kept. */
function at_once(string $origin, string $token, int $count): void
{
    $multi = curl_multi_init();
    $left = $count;
    for ($hand = 0; $hand < min(AT_ONCE, $count); $hand++, $left--) {
        curl_multi_add_handle($multi, curl($origin, $token));
    }
    do {
        curl_multi_exec($multi, $running);
        while ($done = curl_multi_info_read($multi)) {
            checked(curl_multi_getcontent($done['handle']));
            curl_multi_remove_handle($multi, $done['handle']);
            if ($left-- > 0) {
                curl_multi_add_handle($multi, curl($origin, $token));
                $running = 1;
            }
        }
        curl_multi_select($multi, 0.1);
    } while ($running > 0);
}

function upload(string $origin, string $token, string $file): float
{
    $size = filesize($file);
    $chunk = min($size, CHUNK);
    $count = intdiv($size, $chunk);
    $curl = curl_init("$origin/v2/post/publish/video/init/");
    curl_setopt_array($curl, [
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_HTTPHEADER => ["Authorization: Bearer $token", 'Content-Type: application/json; charset=UTF-8'],
        CURLOPT_POSTFIELDS => json_encode([
            'post_info' => ['privacy_level' => 'PUBLIC_TO_EVERYONE', 'title' => 'a peer',
                'brand_content_toggle' => false, 'brand_organic_toggle' => false],
            'source_info' => ['source' => 'FILE_UPLOAD', 'video_size' => $size, 'chunk_size' => $chunk,
                'total_chunk_count' => $count],
        ]),
    ]);
    $answer = json_decode((string) curl_exec($curl), true);
    $url = preg_replace('~^https?://[^/]+~', $origin, $answer['data']['upload_url']);
    $begun = hrtime(true);
    $bytes = fopen($file, 'rb');
    $curl = curl_init($url);
    for ($index = 0; $index < $count; $index++) {
        $first = $index * $chunk;
        $end = $index + 1 === $count ? $size : $first + $chunk;
        fseek($bytes, $first);
        curl_setopt_array($curl, [
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_UPLOAD => true,
            CURLOPT_INFILE => $bytes,
            CURLOPT_INFILESIZE => $end - $first,
            CURLOPT_HTTPHEADER => ['Content-Type: video/mp4', "Content-Range: bytes $first-" . ($end - 1) . "/$size", 'Expect:'],
        ]);
        curl_exec($curl);
        $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
        if ($status !== 201 && $status !== 206) {
            throw new RuntimeException("a chunk was refused: $status");
        }
    }
    return (hrtime(true) - $begun) / 1e9;
}

if ($way === 'curl') {
    $curl = curl($where, $who);
    $call = static fn () => checked(curl_exec($curl));
    $call();
    $idle = resident('VmRSS');
    if ($work === 'profile') {
        times($call, (int) $value);
    } elseif ($work === 'at-once') {
        $begun = hrtime(true);
        at_once($where, $who, (int) $value);
        piece((hrtime(true) - $begun) / 1e9, $idle);
    } else {
        piece(upload($where, $who, $value), $idle);
    }
    exit;
}

require __DIR__ . '/../../../bindings/php/autoload.php';
$host = new Host(json_decode($where, true));
$channels = array_map($host->channel(...), explode(',', $who));
$channels[0]->profile();
$idle = resident('VmRSS');
if ($work === 'profile') {
    $next = 0;
    times(static function () use ($channels, &$next): void {
        $channels[$next++ % count($channels)]->profile();
    }, (int) $value);
} else {
    $begun = hrtime(true);
    $post = new Post('video', text: 'a peer', visibility: 'PUBLIC_TO_EVERYONE');
    $job = $channels[0]->publish($post, Media::file($value));
    $size = filesize($value);
    do {
        $job = $job->wait(0.05);
    } while ($job->status === JobStatus::Active && $job->bytesSent < $size);
    piece((hrtime(true) - $begun) / 1e9, $idle);
    $job->wait(600)->orFail();
}
$host->close();
