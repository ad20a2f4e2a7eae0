<?php

declare(strict_types=1);

/*
 * Measurements against the simulator on this machine; all in one run, so that they can be compared.
 *
 *   cargo build --release -p social-channel-c -p tiktok-simulator && cargo xtask guests
 *   SOCIAL_CHANNEL_BIN=target/release SOCIAL_CHANNEL_LIBRARY=target/release/libsocialchannel.so \
 *       php bindings/php/tests/bench.php [start|profile|memory ...]
 */

namespace SocialChannel\Tests;

use SocialChannel\Channel;
use SocialChannel\Model\JobStatus;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Program;
use SocialChannel\Tests\Support\Simulator;
use SocialChannel\Tests\Support\Stage;
use SocialChannel\TransportKind;

require __DIR__ . '/bootstrap.php';

const STARTS = 15;
const CALLS = 300;
const FIELDS = 'open_id,union_id,avatar_url,display_name,username,bio_description,profile_deep_link,is_verified';

/** @param list<float> $times */
function median(array $times): float
{
    sort($times);
    return $times[intdiv(count($times), 2)];
}

function line(string $what, string $figure): void
{
    printf("%-66s %s\n", $what, $figure);
}

/** The peak memory of this process, in MiB. */
function peak(): float
{
    preg_match('/VmHWM:\s+(\d+)/', (string) file_get_contents('/proc/self/status'), $found);
    return (int) $found[1] / 1024;
}

function start(Stage $stage, Channel $channel): void
{
    $script = <<<'PHP'
        $begun = hrtime(true);
        require $argv[1];
        $host = new SocialChannel\Host(json_decode($argv[2], true));
        $opened = hrtime(true);
        $channel = $host->channel($argv[3]);
        $host->channel($argv[3])->profile();
        $called = hrtime(true);
        echo json_encode([$opened - $begun, $called - $begun]);
        PHP;
    $config = [
        'library' => Built::library(),
        'data' => "{$stage->folder->path}/data",
        'policy' => $stage->simulator->policy,
    ];
    $bare = $opened = $called = $whole = [];
    for ($round = 0; $round < STARTS; $round++) {
        $begun = hrtime(true);
        Program::run([PHP_BINARY, '-r', '']);
        $bare[] = (hrtime(true) - $begun) / 1e6;
        $begun = hrtime(true);
        $arguments = [dirname(__DIR__) . '/autoload.php', (string) json_encode($config), $channel->id];
        [, $output] = Program::run([PHP_BINARY, '-r', $script, '--', ...$arguments]);
        $whole[] = (hrtime(true) - $begun) / 1e6;
        [$open, $call] = json_decode($output, true);
        $opened[] = $open / 1e6;
        $called[] = $call / 1e6;
    }
    line('fresh process: autoload, library loaded, host opened', sprintf('%.1f ms', median($opened)));
    line('  and the component loaded from its cache, and one profile call', sprintf('%.1f ms', median($called)));
    line('  the whole process, from its start to its end', sprintf('%.1f ms', median($whole)));
    line('  a PHP process that does nothing', sprintf('%.1f ms', median($bare)));
}

function profile(Stage $stage, Channel $channel): void
{
    $stage->simulator->send('PATCH', '/_simulator/switches', ['rate_limit_divisor' => 0]);
    $token = token($stage->simulator);
    $curl = curl_init("{$stage->simulator->origin}/v2/user/info/?fields=" . FIELDS);
    curl_setopt_array($curl, [
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_HTTPHEADER => ["Authorization: Bearer $token", 'Host: open.tiktokapis.com'],
    ]);
    $ours = $theirs = [];
    for ($round = -20; $round < CALLS; $round++) {
        $begun = hrtime(true);
        $channel->profile();
        $between = hrtime(true);
        $answer = json_decode((string) curl_exec($curl), true);
        $ended = hrtime(true);
        if (!isset($answer['data']['user']['display_name'])) {
            throw new \RuntimeException('curl was refused: ' . json_encode($answer));
        }
        // The first rounds warm up both.
        if ($round >= 0) {
            $ours[] = ($between - $begun) / 1e3;
            $theirs[] = ($ended - $between) / 1e3;
        }
    }
    line('one profile call through FFI and the component (median of ' . CALLS . ')', sprintf('%.0f us', median($ours)));
    line("  PHP's own curl, the same request, kept open, JSON decoded", sprintf('%.0f us', median($theirs)));
    line('  added', sprintf('%.0f us', median($ours) - median($theirs)));
}

/** A manual consent, for a token that curl can use. */
function token(Simulator $simulator): string
{
    $settings = $simulator->settings;
    $verifier = bin2hex(random_bytes(32));
    $back = Simulator::consent("$simulator->origin/v2/auth/authorize/?" . http_build_query([
        'client_key' => $settings['client-key'],
        'response_type' => 'code',
        // All scopes, because a consent with fewer would remove the others from the host's account.
        'scope' => 'user.info.basic,user.info.profile,user.info.stats,video.list,video.publish',
        'redirect_uri' => Simulator::REDIRECT,
        'state' => 'bench',
        'code_challenge' => hash('sha256', $verifier),
        'code_challenge_method' => 'S256',
    ]));
    parse_str((string) parse_url($back, PHP_URL_QUERY), $query);
    $curl = curl_init("$simulator->origin/v2/oauth/token/");
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_POSTFIELDS => http_build_query([
        'client_key' => $settings['client-key'],
        'client_secret' => $settings['client-secret'],
        'code' => $query['code'],
        'grant_type' => 'authorization_code',
        'redirect_uri' => Simulator::REDIRECT,
        'code_verifier' => $verifier,
    ])]);
    $answer = json_decode((string) curl_exec($curl), true);
    return $answer['access_token'] ?? throw new \RuntimeException('no token: ' . json_encode($answer));
}

function memory(Stage $stage, Channel $channel): void
{
    foreach ([64 << 20, 1 << 30] as $size) {
        $path = "{$stage->folder->path}/$size.mp4";
        $file = fopen($path, 'wb');
        fwrite($file, file_get_contents(dirname(__DIR__, 3) . '/examples/head.mp4'));
        ftruncate($file, $size);
        fclose($file);
        $before = peak();
        $begun = hrtime(true);
        $post = new Post('video', text: 'Large', visibility: 'PUBLIC_TO_EVERYONE');
        $job = $channel->publish($post, Media::file($path));
        do {
            $job = $job->wait(0.25);
            $sent ??= $job->bytesSent === $size ? hrtime(true) : null;
        } while ($job->status === JobStatus::Active);
        $job->orFail();
        $seconds = (($sent ?? hrtime(true)) - $begun) / 1e9;
        $figure = sprintf('%.1f MiB (%.1f before), %.0f MiB/s', peak(), $before, $size / $seconds / (1 << 20));
        line('peak memory of this process after a publish of ' . ($size >> 20) . ' MiB', $figure);
        line('  of that PHP itself', sprintf('%.1f MiB', memory_get_peak_usage(true) / (1 << 20)));
        unset($sent);
    }
}

$stage = new Stage(TransportKind::Ffi, new Simulator());
$stage->app();
$channel = $stage->connect();
foreach (array_slice($argv, 1) ?: ['start', 'profile', 'memory'] as $name) {
    match ($name) {
        'start' => start($stage, $channel),
        'profile' => profile($stage, $channel),
        'memory' => memory($stage, $channel),
    };
}
$stage->host->close();
