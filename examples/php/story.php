<?php

declare(strict_types=1);

/*
 * A complete program in PHP: load a provider, configure it, connect an account, read its profile, statistics and
 * posts, publish a 70 MB video with a progress bar, and replace the provider meanwhile.
 *
 * It uses the simulator, so no account and no network is needed. From the root of the repository, with the
 * library in this process:
 *
 *   cargo xtask guests
 *   cargo build -p social-channel-c -p social-channel-cli -p tiktok-simulator
 *   export SOCIAL_CHANNEL_LIBRARY=$PWD/target/debug/libsocialchannel.so
 *   target/debug/tiktok-simulator --port 0 --auto-consent --describe > simulator.json &
 *   until [ -s simulator.json ]; do sleep 0.1; done
 *   php examples/php/story.php target/wasm32-wasip2/guest/plugin_tiktok.wasm simulator.json
 *   kill %1
 *
 * With a service, which needs no FFI (instead of the last two lines):
 *
 *   target/debug/social-channel --data /tmp/story-data --policy simulator-policy.json \
 *       serve --listen unix:/tmp/story.sock &
 *   SOCIAL_CHANNEL_SERVICE=unix:/tmp/story.sock \
 *       php examples/php/story.php target/wasm32-wasip2/guest/plugin_tiktok.wasm simulator.json
 *   kill %1 %2
 *
 * where simulator-policy.json contains `{"connect_to": ...}` from simulator.json:
 *
 *   php -r 'echo json_encode(["connect_to" => json_decode(file_get_contents("simulator.json"))->connect_to]);' \
 *       > simulator-policy.json
 *
 * With an installed library and provider, use their paths instead.
 *
 * curl acts as the person's browser, since the simulator consents automatically. A real page redirects the browser to
 * the URL and receives it at its callback: see page.php.
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
    // `data`, a folder for lasting data. With a service, the service's own settings apply.
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

    // The job continues with the component that started it; every other call already runs the new one.
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

/** Acts as the person's browser: opens the platform's page, consents, and is redirected back. */
function browser(string $url): string
{
    $curl = curl_init($url);
    curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true]);
    curl_exec($curl);
    $back = curl_getinfo($curl, CURLINFO_REDIRECT_URL);
    return is_string($back) ? $back : throw new RuntimeException("the platform did not send the browser back");
}

/** Another build of the same provider: with an unused section at its end. */
function another(string $component): string
{
    $path = tempnam(sys_get_temp_dir(), 'provider');
    file_put_contents($path, file_get_contents($component) . "\0\5\4note");
    return $path;
}

/** A video of zeros behind its index. */
function video(): string
{
    $path = sys_get_temp_dir() . '/story-' . getmypid() . '.mp4';
    $file = fopen($path, 'wb');
    fwrite($file, file_get_contents(__DIR__ . '/../head.mp4'));
    ftruncate($file, VIDEO_SIZE);
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
