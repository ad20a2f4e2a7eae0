<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Folder;
use SocialChannel\Tests\Support\Program;
use SocialChannel\Tests\Support\Service;

/**
 * Runs the examples as described at the top of their files.
 */
final class ExamplesTest extends TestCase
{
    private const EXAMPLES = __DIR__ . '/../../../examples/php';

    private Folder $folder;
    private Program $simulator;
    private string $described;
    /** @var array<mixed> */
    private array $policy;

    protected function setUp(): void
    {
        $this->folder = new Folder();
        $flags = ['--port', '0', '--auto-consent', '--describe', '--until-eof'];
        $this->simulator = new Program([Built::program('tiktok-simulator'), ...$flags]);
        $document = $this->simulator->document();
        $this->policy = ['connect_to' => $document['connect_to']];
        $this->described = "{$this->folder->path}/simulator.json";
        file_put_contents($this->described, json_encode($document));
    }

    /** @param array<string, string> $environment */
    private function assertTellsTheStory(array $environment): string
    {
        $command = [PHP_BINARY, self::EXAMPLES . '/story.php', Built::component('plugin_tiktok'), $this->described];
        [$code, $output, $said] = Program::run($command, $environment);
        self::assertSame([0, ''], [$code, $said], $output);
        foreach (['loaded     TikTok', 'connected  Demo Kitchen', 'numbers    1204 followers', '100 %'] as $words) {
            self::assertStringContainsString($words, $output);
        }
        self::assertMatchesRegularExpression('~\npublished  https://\S+/video/\d+~', $output);
        self::assertMatchesRegularExpression('~swapped    now running (\w+), the job (?!\1)\w+~', $output);
        return $output;
    }

    public function testTheStoryInThisProcess(): void
    {
        $output = $this->assertTellsTheStory(['SOCIAL_CHANNEL_LIBRARY' => Built::library()]);
        self::assertStringContainsString('way        ffi', $output);
    }

    public function testTheStoryThroughTheService(): void
    {
        $service = new Service($this->folder->path, $this->policy);
        $output = $this->assertTellsTheStory(['SOCIAL_CHANNEL_SERVICE' => $service->socket]);
        self::assertStringContainsString('way        http', $output);
    }

    public function testThePageIsClickedFromConnectToPublished(): void
    {
        $environment = [
            'SIMULATOR' => $this->described,
            'DATA' => "{$this->folder->path}/data",
            'COMPONENT' => Built::component('plugin_tiktok'),
            'SOCIAL_CHANNEL_LIBRARY' => Built::library(),
        ];
        $port = Program::freePort();
        $page = new Program([
            ...[PHP_BINARY, '-d', 'ffi.enable=1', '-d', 'upload_max_filesize=50M', '-d', 'post_max_size=50M'],
            ...['-S', "127.0.0.1:$port", self::EXAMPLES . '/page.php'],
        ], $environment);
        Program::awaitPort($port);
        $browser = new Support\Browser("http://127.0.0.1:$port");

        self::assertStringContainsString('Add channel', $browser->get('/'));
        $worker = new Program([PHP_BINARY, self::EXAMPLES . '/worker.php'], $environment);
        $channel = $browser->post('/connect', ['token' => $browser->token()]);
        self::assertStringContainsString('@demo.kitchen', $channel);
        self::assertStringContainsString('1,204', $channel);
        self::assertSame(1, preg_match('~/publish\?id=([\w-]+)~', $channel, $found));
        self::assertStringContainsString('Who can see this post', $browser->get("/publish?id=$found[1]"));
        $form = [
            'token' => $browser->token(),
            'id' => $found[1],
            'kind' => 'video',
            'fields[text]' => 'From the page',
            'fields[visibility]' => 'PUBLIC_TO_EVERYONE',
            'video' => new \CURLFile($this->folder->file('page.mp4', 6_000_000), 'video/mp4'),
        ];
        $job = $browser->post('/publish', $form);
        self::assertStringContainsString('<progress', $job);
        $end = time() + 120;
        do {
            usleep(200_000);
            $status = json_decode($browser->get($browser->path() . '&json'), true);
        } while (!$status['ended'] && time() < $end);
        self::assertSame('published', $status['status']);
        self::assertSame(6_000_000, $status['bytes_sent']);
        self::assertStringContainsString('not allowed', strtolower($browser->post('/connect', ['token' => 'guessed'])));
        $worker->stop();
        $page->stop();
    }
}
