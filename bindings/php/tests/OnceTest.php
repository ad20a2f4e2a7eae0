<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Channel;
use SocialChannel\Exception\OutcomeUnknownException;
use SocialChannel\Host;
use SocialChannel\Model\Media;
use SocialChannel\Model\Outcome;
use SocialChannel\Model\Post;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Program;
use SocialChannel\Tests\Support\Proxy;
use SocialChannel\Tests\Support\Stage;
use SocialChannel\TransportKind;

/**
 * A request to the service takes effect at most once, whatever proxy is in between.
 */
final class OnceTest extends TestCase
{
    private static Stage $stage;
    private static Channel $channel;

    public static function setUpBeforeClass(): void
    {
        self::$stage = new Stage(TransportKind::Http, null);
        self::$stage->host->loadProvider(Built::component('test_provider'));
        self::$stage->host->putApp('app', ['behaviour' => ''], 'test-provider', 'https://app.example.com/callback');
        $redirect = self::$stage->host->connect('app', Stage::OWNER);
        self::$channel = self::$stage->host->completeConnect("?state=$redirect->state", Stage::OWNER);
    }

    public static function tearDownAfterClass(): void
    {
        self::$stage->service?->stop();
    }

    private static function media(): Media
    {
        static $media = null;
        return $media ??= self::$stage->host->upload(self::$stage->folder->file('once.mp4', 1000));
    }

    private static function lost(callable $call): OutcomeUnknownException
    {
        try {
            $call();
        } catch (OutcomeUnknownException $error) {
            return $error;
        }
        self::fail('the answer was lost, and nothing failed');
    }

    public function testAPublishWhoseAnswerIsLostMakesOneJobAndNamesTheKeyToRepeatIt(): void
    {
        $proxy = new Proxy(self::$stage->service->socket);
        $through = (new Host(['service' => $proxy->address]))->channel(self::$channel->id);
        // The connection is now open and reused: in this case curl would repeat the request.
        $through->publishForm();
        $post = new Post('video', text: 'once');
        $later = time() + 3600;

        $error = self::lost(static fn () => $through->publish($post, self::media(), publishAt: $later));

        $made = self::$stage->host->jobs(self::$channel->id);
        self::assertCount(1, $made);
        self::assertSame(Outcome::Unknown, $error->outcome);
        self::assertSame(1, preg_match("/idempotencyKey: '([\\w-]+)'/", (string) $error->remedy, $found));
        $again = self::$channel->publish($post, self::media(), $found[1], publishAt: $later);
        self::assertSame($made[0]->id, $again->id);
        $again->cancel();
    }

    /** @return array<string, array{string, \Closure(Host): mixed}> */
    public function writes(): array
    {
        return [
            'put an app' => ['PUT', static fn (Host $host) => $host->putApp('app', ['behaviour' => ''])],
            'begin a connect' => ['POST', static fn (Host $host) => $host->connect('app', 'me')],
            'load a provider' => ['POST', static fn (Host $host) => $host->loadProvider(Built::component('test_provider'))],
            'upload a file' => ['POST', static fn (Host $host) => $host->upload(self::$stage->folder->file('up.mp4', 999))],
            'delete an app' => ['DELETE', static fn (Host $host) => $host->deleteApp('nothing')],
            'take a webhook' => ['POST', static fn (Host $host) => $host->receiveWebhook('app', [], '{}')],
        ];
    }

    /** @dataProvider writes */
    public function testWhatIsNotGetIsSentOnceOnAConnectionThatWasUsed(string $method, \Closure $write): void
    {
        $proxy = new Proxy(self::$stage->service->socket);
        $host = new Host(['service' => $proxy->address]);
        $host->apps();
        self::lost(static fn () => $write($host));
        $host->apps();

        $seen = [];
        do {
            $seen[] = strtok($proxy->program->line(), ' ');
        } while (count(array_keys($seen, 'GET', true)) < 2);
        self::assertSame(['GET', $method, 'GET'], $seen);
    }

    public function testWhatOnlyReadsIsRepeatedOnAConnectionThatBroke(): void
    {
        // It responds once on each connection and closes it when the next request has already arrived.
        $script = <<<'PHP'
            $s = stream_socket_server('tcp://127.0.0.1:0'); echo stream_socket_get_name($s, false), "\n";
            while ($c = stream_socket_accept($s, 60)) {
                stream_get_line($c, 65536, "\r\n\r\n");
                fwrite($c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]");
                stream_get_line($c, 65536, "\r\n\r\n");
                fclose($c);
            }
            PHP;
        $program = new Program([PHP_BINARY, '-r', $script]);
        $host = new Host(['service' => 'http://' . $program->line()]);
        self::assertSame([[], [], []], [$host->apps(), $host->apps(), $host->apps()]);
    }
}
