<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Exception\InvalidArgumentException;
use SocialChannel\Host;
use SocialChannel\Job;
use SocialChannel\Model\JobStatus;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Folder;
use SocialChannel\Tests\Support\Program;
use SocialChannel\Tests\Support\Service;
use SocialChannel\Tests\Support\Simulator;
use SocialChannel\Tests\Support\Stage;
use SocialChannel\TransportKind;

/**
 * Waiting and working end when they must: at a timeout, by a signal, at the job's end.
 */
final class WaitTest extends TestCase
{
    private static function stored(Host $host, Folder $folder): Job
    {
        $host->loadProvider(Built::component('test_provider'));
        $host->putApp('app', ['behaviour' => ''], 'test-provider', 'https://app.example.com/callback');
        $redirect = $host->connect('app', 'me');
        $channel = $host->completeConnect("?state=$redirect->state", 'me');
        $media = Media::file($folder->file('stored.mp4', 1000));
        return $channel->publish(new Post('video'), $media, publishAt: time() + 3600);
    }

    public function testWhereOnlyAWorkerDrivesJobsAWaitWantsItsTime(): void
    {
        $folder = new Folder();
        $config = ['library' => Built::library(), 'data' => "$folder->path/data", 'background' => false];
        $host = new Host($config);
        $job = self::stored($host, $folder);
        self::assertTrue($host->needsWorker());
        foreach ([null, INF] as $forever) {
            foreach ([$job, $host->job($job->id), $host->tenant('default')->job($job->id), $job->poll()] as $one) {
                try {
                    $one->wait($forever);
                    self::fail('it waited for nobody');
                } catch (InvalidArgumentException $error) {
                    self::assertSame(['unbounded_wait', 'seconds'], [$error->platformCode, $error->field]);
                    self::assertStringContainsString('Host::work()', (string) $error->remedy);
                }
            }
        }
        self::assertSame(JobStatus::Active, $job->wait(0)->status);
        self::assertSame(JobStatus::Active, $job->wait(0.2)->status);
        $host->close();
    }

    /** @return array<string, array{TransportKind, ?float}> */
    public function endless(): array
    {
        return [
            'ffi, null' => [TransportKind::Ffi, null],
            'ffi, INF' => [TransportKind::Ffi, INF],
            'http, null' => [TransportKind::Http, null],
            'http, INF' => [TransportKind::Http, INF],
        ];
    }

    /** @dataProvider endless */
    public function testAnEndlessWaitEndsWithTheJob(TransportKind $kind, ?float $seconds): void
    {
        $stage = new Stage($kind, new Simulator());
        $stage->app();
        $channel = $stage->connect();
        $media = Media::file($stage->folder->file('endless.mp4', 6_000_000));
        $job = $channel->publish(new Post('video', text: 'x', visibility: 'PUBLIC_TO_EVERYONE'), $media);
        self::assertSame(JobStatus::Published, $job->wait($seconds)->status);
    }

    public function testWhatIsNoLengthOfTimeIsRefused(): void
    {
        $host = new Host(['library' => Built::library(), 'background' => false]);
        foreach ([NAN, -1.0, -INF] as $seconds) {
            try {
                $host->work($seconds);
                self::fail("it worked for $seconds seconds");
            } catch (InvalidArgumentException $error) {
                self::assertSame('seconds', $error->field);
            }
        }
    }

    /** @return array<string, array{string}> calls that continue unless a signal ends them */
    public function long(): array
    {
        return [
            'work for 50 seconds' => ['$host->work(50);'],
            'work without an end' => ['$host->work(INF);'],
            'wait for a job' => ['$host->job($argv[5])->wait(50);'],
        ];
    }

    /** @dataProvider long */
    public function testASignalIsAnsweredAtOnceByTheLibrary(string $long): void
    {
        $folder = new Folder();
        $config = ['library' => Built::library(), 'data' => "$folder->path/data", 'background' => false];
        $host = new Host($config);
        $job = self::stored($host, $folder);
        $host->close();
        $this->assertEndsAtOnce($config, $long, $job->id);
    }

    public function testASignalIsAnsweredAtOnceThroughTheService(): void
    {
        $folder = new Folder();
        $service = new Service($folder->path);
        $config = ['service' => $service->socket];
        $job = self::stored(new Host($config), $folder);
        $this->assertEndsAtOnce($config, '$host->job($argv[5])->wait(50);', $job->id);
    }

    /** @param array<string, mixed> $config */
    private function assertEndsAtOnce(array $config, string $long, string $job): void
    {
        $script = <<<PHP
            require \$argv[1];
            pcntl_async_signals(true);
            pcntl_signal(SIGTERM, function (): void { throw new Exception('told to end'); });
            \$host = new SocialChannel\\Host(json_decode(\$argv[2], true));
            \$host->apps();
            // The parent waits for this line, and then until the call is running.
            fwrite(STDOUT, "ready\\n");
            try {
                $long
                echo "came back\\n";
            } catch (Exception \$error) {
                echo \$error->getMessage(), "\\n";
            }
            \$host->close();
            echo "closed\\n";
            PHP;
        $arguments = [dirname(__DIR__) . '/autoload.php', (string) json_encode($config), '-', '-', $job];
        $program = new Program([PHP_BINARY, '-r', $script, '--', ...$arguments]);
        self::assertSame('ready', $program->line());
        self::awaitIdle($program->pid());
        $begun = hrtime(true);
        posix_kill($program->pid(), SIGTERM);
        self::assertSame('told to end', $program->line());
        self::assertSame('closed', $program->line());
        self::assertLessThan(10.0, (hrtime(true) - $begun) / 1e9);
    }

    /** Waits until the process sleeps in the kernel, which means that it is in the call. */
    private static function awaitIdle(int $pid): void
    {
        $end = time() + 30;
        $still = 0;
        while ($still < 10 && time() < $end) {
            $status = (string) file_get_contents("/proc/$pid/stat");
            $still = preg_match('/\) S /', $status) === 1 ? $still + 1 : 0;
            usleep(20_000);
        }
    }

    public function testASignalThatEndsNothingLeavesOneRoundOfWork(): void
    {
        $script = <<<'PHP'
            require $argv[1];
            pcntl_async_signals(true);
            pcntl_signal(SIGALRM, function (): void { pcntl_alarm(1); });
            $host = new SocialChannel\Host(json_decode($argv[2], true));
            pcntl_alarm(1);
            $rounds = 0;
            for ($end = microtime(true) + 3.2; ($left = $end - microtime(true)) > 0;) {
                $rounds += $host->work($left)->interrupted ? 1 : 0;
            }
            pcntl_alarm(0);
            echo $rounds;
            $host->close();
            PHP;
        $config = (string) json_encode(['library' => Built::library(), 'background' => false]);
        [$code, $output, $said] = Program::run([PHP_BINARY, '-r', $script, '--', dirname(__DIR__) . '/autoload.php', $config]);
        self::assertSame(0, $code, $said);
        self::assertContains($output, ['2', '3']);
    }
}
