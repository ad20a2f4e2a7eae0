<?php

declare(strict_types=1);

/*
 * The whole story in PHP: load a provider, give it its settings, connect an account, read its profile, numbers and
 * posts, publish a 70 MB video with a progress bar, and swap the provider while that runs.
 *
 * It runs against a simulated platform, so no account and no network is needed. From the root of the repository, the
 * library in this process:
 *
 *   cargo xtask guests
 *   cargo build -p social-channel-c -p social-channel-cli -p tiktok-simulator
 *   export SOCIAL_CHANNEL_LIBRARY=$PWD/target/debug/libsocialchannel.so
 *   target/debug/tiktok-simulator --port 0 --auto-consent --describe > simulator.json &
 *   php examples/php/story.php target/wasm32-wasip2/guest/plugin_tiktok.wasm simulator.json
 *   kill %1
 *
 * The same through a service, which needs no FFI (instead of the last two lines):
 *
 *   target/debug/social-channel --data /tmp/story-data --policy simulator-policy.json \
 *       serve --listen unix:/tmp/story.sock &
 *   SOCIAL_CHANNEL_SERVICE=unix:/tmp/story.sock \
 *       php examples/php/story.php target/wasm32-wasip2/guest/plugin_tiktok.wasm simulator.json
 *   kill %1 %2
 *
 * where simulator-policy.json holds `{"connect_to": ...}` of simulator.json:
 *
 *   php -r 'echo json_encode(["connect_to" => json_decode(file_get_contents("simulator.json"))->connect_to]);' \
 *       > simulator-policy.json
 *
 * With an installed library and provider, name their files instead.
 *
 * The person's browser is played by curl, since the simulator consents by itself. A real page sends the browser to the
 * address and gets it back at its callback: see page.php.
 */

use SocialChannel\Channel;
use SocialChannel\Exception\SocialChannelException;
use SocialChannel\Host;
use SocialChannel\Job;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;
use SocialChannel\Model\Severity;

require __DIR__ . '/../../bindings/php/autoload.php';

const OWNER = 'session-of-this-browser';
const CALLBACK = 'http://127.0.0.1:9123/callback';
const VIDEO_SIZE = 70_000_000;

function story(string $component, string $simulator, string $video): void
{
    $described = json_decode((string) file_get_contents($simulator), true, flags: JSON_THROW_ON_ERROR);

    // Only `policy` differs from production: it sends the platform's addresses to the simulator. A real program adds
    // `data`, a folder for what must outlast the process. Through a service, the service's own settings count.
    $host = new Host(['policy' => ['connect_to' => $described['connect_to']]]);
    echo "way        {$host->transport()}\n";

    $provider = $host->loadProvider($component)->provider;
    echo "loaded     {$provider->descriptor->name} {$provider->descriptor->version}\n";
    $host->putApp('demo', $described['app']['settings'], $provider->descriptor->id, CALLBACK);

    $redirect = $host->connect('demo', OWNER);
    $channel = $host->completeConnect(browser($redirect->url), OWNER);
    assert($channel instanceof Channel);
    echo "connected  $channel->displayName\n";
    $profile = $channel->profile();
    echo "profile    @$profile->username: $profile->bio\n";
    $stats = $channel->stats();
    echo "numbers    $stats->followers followers, $stats->likes likes, $stats->posts posts\n";
    foreach ($channel->posts(3)->posts as $post) {
        echo "post       $post->title ({$post->stats->views} views)\n";
    }

    $form = $channel->publishForm();
    echo "form       for $form->accountName: ", implode(', ', array_column($form->fields, 'name')), "\n";
    $post = new Post('video', text: 'Made with PHP', visibility: 'PUBLIC_TO_EVERYONE');
    foreach ($channel->check($post, Media::file($video)) as $finding) {
        echo "check      $finding->message\n";
        if ($finding->severity === Severity::Error) {
            throw new RuntimeException('the post will not work');
        }
    }
    $job = $channel->publish($post, Media::file($video), idempotencyKey: 'story-' . bin2hex(random_bytes(4)));

    // The job goes on with the component it began with; every other call already runs the new one.
    $host->loadProvider(another($component));
    echo "swapped    now running ", substr($host->app('demo')->digest, 0, 12), ', the job ',
        substr($job->digest, 0, 12), "\n";
    echo "profile    @{$channel->profile()->username}, from the new one\n";

    $job = $job->wait(600, bar(...))->orFail();
    echo "\npublished  $job->url\n";
}

function bar(Job $job): void
{
    $done = (int) round($job->progress() * 40);
    printf(
        "\rpublish    [%s%s] %3d %% %-12s",
        str_repeat('#', $done),
        str_repeat('.', 40 - $done),
        (int) ($job->progress() * 100),
        $job->phase,
    );
}

/** What the person's browser does: it opens the platform's page, consents, and is sent back. */
function browser(string $url): string
{
    $curl = curl_init($url);
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true]);
    curl_exec($curl);
    $back = curl_getinfo($curl, CURLINFO_REDIRECT_URL);
    return is_string($back) ? $back : throw new RuntimeException("the platform did not send the browser back");
}

/** Another build of the same provider: a section that nobody reads, at its end. */
function another(string $component): string
{
    $path = tempnam(sys_get_temp_dir(), 'provider');
    file_put_contents($path, file_get_contents($component) . "\0\5\4note");
    return $path;
}

/** A file that begins as an MP4 does. The simulator takes it for a video. */
function video(): string
{
    $path = sys_get_temp_dir() . '/story-' . getmypid() . '.mp4';
    $file = fopen($path, 'wb');
    fwrite($file, "\0\0\0\x18ftypisom\0\0\2\0isomiso2");
    for ($left = VIDEO_SIZE - 24; $left > 0; $left -= 1 << 20) {
        fwrite($file, str_repeat("\0", min($left, 1 << 20)));
    }
    fclose($file);
    return $path;
}

if ($argc < 3) {
    fwrite(STDERR, "usage: php story.php COMPONENT SIMULATOR.json [VIDEO]\n");
    exit(1);
}
$made = isset($argv[3]) ? null : video();
try {
    story($argv[1], $argv[2], $argv[3] ?? $made);
    $code = 0;
} catch (SocialChannelException $error) {
    fwrite(STDERR, "error: {$error->getMessage()}\n\nhint: {$error->error()->remedy}\n");
    $code = 1;
} finally {
    if ($made !== null) {
        unlink($made);
    }
}
exit($code);
