<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Exception\CallException;
use SocialChannel\Exception\InvalidArgumentException;
use SocialChannel\Exception\InvalidRequestException;
use SocialChannel\Exception\MisconfiguredException;
use SocialChannel\Exception\OutcomeUnknownException;
use SocialChannel\Exception\UnavailableException;
use SocialChannel\Host;
use SocialChannel\Model\ErrorKind;
use SocialChannel\Model\Media;
use SocialChannel\Model\Outcome;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Folder;
use SocialChannel\Tests\Support\Program;
use SocialChannel\Tests\Support\Service;
use SocialChannel\TransportKind;

/**
 * How the transport is chosen, and the errors if there is none.
 */
final class TransportTest extends TestCase
{
    public function testTheHeaderForFfiIsMadeOfTheCHeader(): void
    {
        [$code, , $said] = Program::run([PHP_BINARY, dirname(__DIR__) . '/bin/ffi-header', '--check']);
        self::assertSame(0, $code, $said);
    }

    public function testInThisProcessWhereFfiIsOn(): void
    {
        $transport = (new Host(['library' => Built::library()]))->transport();
        self::assertSame(TransportKind::Ffi, $transport->kind);
        self::assertSame('FFI is on in this PHP (cli)', $transport->why);
    }

    public function testTheServiceWhereOnlyThatIsNamed(): void
    {
        $transport = (new Host(['service' => 'unix:/nowhere.sock']))->transport();
        self::assertSame([TransportKind::Http, 'unix:/nowhere.sock'], [$transport->kind, $transport->where]);
    }

    public function testAServiceThatIsNamedIsThePlaceWhateverThisPhpCanDo(): void
    {
        $here = ['library' => Built::library(), 'data' => '/nowhere'];
        $transport = (new Host($here + ['service' => 'unix:/nowhere.sock']))->transport();
        self::assertSame(TransportKind::Http, $transport->kind);
        self::assertStringContainsString('`data`', $transport->why);
        putenv('SOCIAL_CHANNEL_SERVICE=unix:/nowhere.sock');
        try {
            self::assertSame(TransportKind::Http, (new Host($here))->transport()->kind);
            $asked = new Host(['library' => Built::library(), 'transport' => 'ffi']);
            self::assertSame(TransportKind::Ffi, $asked->transport()->kind);
        } finally {
            putenv('SOCIAL_CHANNEL_SERVICE');
        }
    }

    public function testWithoutAnyWayBothAreExplained(): void
    {
        try {
            new Host(['library' => '/nowhere.so']);
            self::fail('a host was opened out of nothing');
        } catch (MisconfiguredException $error) {
            self::assertSame('no_transport', $error->platformCode);
            self::assertStringContainsString('/nowhere.so (the setting `library`): no such file', $error->getMessage());
            self::assertStringContainsString('SOCIAL_CHANNEL_LIBRARY', (string) $error->remedy);
            self::assertStringContainsString('social-channel serve', (string) $error->remedy);
        }
    }

    public function testALibraryOfAnotherVersionIsRefused(): void
    {
        // Another library that certainly exists.
        $this->expectException(CallException::class);
        $this->expectExceptionMessage('does not fit this package');
        new Host(['library' => self::libc(), 'transport' => 'ffi']);
    }

    public function testAServiceThatIsNotThereIsUnavailable(): void
    {
        $host = new Host(['service' => 'unix:/nowhere.sock']);
        try {
            $host->channels();
            self::fail('nobody answered, and nothing failed');
        } catch (UnavailableException $error) {
            self::assertStringContainsString('unix:/nowhere.sock', $error->getMessage());
            self::assertStringContainsString('social-channel serve', (string) $error->remedy);
        }
    }

    public function testAWriteThatWasNotSentIsNotDone(): void
    {
        $host = new Host(['service' => 'unix:/nowhere.sock']);
        try {
            $host->connect('app', 'me');
            self::fail('nobody answered, and nothing failed');
        } catch (UnavailableException $error) {
            self::assertSame(Outcome::NotDone, $error->outcome);
        }
    }

    public function testAnAnswerThatWasLostIsUnknown(): void
    {
        // It accepts the request and closes.
        $script = '$s = stream_socket_server("tcp://127.0.0.1:0"); echo stream_socket_get_name($s, false), "\n";'
            . 'while ($c = stream_socket_accept($s, 60)) { fread($c, 65536); fclose($c); }';
        $program = new Program([PHP_BINARY, '-r', $script]);
        $host = new Host(['service' => 'http://' . $program->line()]);
        try {
            $host->connect('app', 'me');
            self::fail('nobody answered, and nothing failed');
        } catch (OutcomeUnknownException $error) {
            self::assertSame(Outcome::Unknown, $error->outcome);
        }
        $this->expectException(UnavailableException::class);
        $host->channels();
    }

    public function testAnotherProgramAtTheAddressIsNamed(): void
    {
        $port = Program::freePort();
        $program = new Program([PHP_BINARY, '-S', "127.0.0.1:$port", '-t', __DIR__ . '/fixtures']);
        Program::awaitPort($port);
        try {
            (new Host(['service' => "http://127.0.0.1:$port"]))->channels();
            self::fail('a file server passed for the service');
        } catch (MisconfiguredException $error) {
            self::assertStringContainsString('status 404', $error->getMessage());
        } finally {
            $program->stop();
        }
    }

    public function testAServiceOverTcpAsksForAKeyOnceItHasOne(): void
    {
        $folder = new Folder();
        $service = new Service($folder->path);
        $flags = ['--data', "$folder->path/data", '--format', 'json', 'keys', 'create', 'tests'];
        [$code, $output, $said] = Program::run([Built::program('social-channel'), ...$flags]);
        self::assertSame(0, $code, $said);
        $key = self::key(json_decode($output, true));
        self::assertSame([], (new Host(['service' => $service->address, 'api_key' => $key]))->channels());
        try {
            (new Host(['service' => $service->address, 'api_key' => 'sck_wrong']))->channels();
            self::fail('a wrong key was taken');
        } catch (InvalidRequestException $error) {
            self::assertSame('unauthenticated', $error->platformCode);
            self::assertStringNotContainsString('sck_wrong', (string) $error);
        }
    }

    public function testAnUploadIsStreamedWithProgressAndMadeOnce(): void
    {
        $folder = new Folder();
        $service = new Service($folder->path);
        $host = new Host(['service' => $service->socket]);
        $file = $folder->file('large.mp4', 40 << 20);
        $before = memory_get_peak_usage(true);
        $seen = [];

        $media = $host->upload($file, static function (int $sent, int $total) use (&$seen): void {
            $seen[] = [$sent, $total];
        });

        self::assertNotNull($media->upload);
        self::assertSame([40 << 20, 40 << 20], end($seen));
        self::assertGreaterThan(2, count($seen));
        self::assertLessThan(8 << 20, memory_get_peak_usage(true) - $before, 'the file is not held in memory');
        self::assertSame($media->upload, $host->upload(Media::file($file))->upload);
    }

    public function testWhatAProgressThrowsArrives(): void
    {
        $folder = new Folder();
        $service = new Service($folder->path);
        $host = new Host(['service' => $service->socket]);
        $this->expectException(\DomainException::class);
        $host->upload($folder->file('broken.mp4', 4 << 20), static fn () => throw new \DomainException('enough'));
    }

    public function testAFileThatIsNotThereIsARequestToFix(): void
    {
        $host = new Host(['service' => 'unix:/nowhere.sock']);
        $this->expectException(InvalidRequestException::class);
        $host->upload('/nowhere.mp4');
    }

    public function testUnknownSettingsAreRefused(): void
    {
        $this->expectException(InvalidArgumentException::class);
        new Host(['library' => Built::library(), 'databse' => '/x']);
    }

    public function testTextWithANulByteIsRefused(): void
    {
        $this->expectException(InvalidArgumentException::class);
        (new Host(['library' => Built::library()]))->channel("a\0b");
    }

    public function testAClosedHostIsRefused(): void
    {
        $host = new Host(['library' => Built::library()]);
        $host->close();
        $host->close();
        try {
            $host->channels();
            self::fail('a closed host answered');
        } catch (InvalidArgumentException $error) {
            self::assertSame('freed_handle', $error->platformCode);
        }
    }

    public function testAHostDoesNotSurviveAFork(): void
    {
        $script = <<<'PHP'
            require $argv[1];
            $host = new SocialChannel\Host(['library' => $argv[2]]);
            $pid = pcntl_fork();
            if ($pid === 0) {
                try {
                    $host->channels();
                    echo "answered\n";
                } catch (SocialChannel\Exception\CallException $error) {
                    echo "child: {$error->kind->value} $error->platformCode\n";
                }
                exit(0);
            }
            pcntl_waitpid($pid, $status);
            echo 'parent: ', count($host->channels()), ' ', pcntl_wexitstatus($status), "\n";
            PHP;
        $autoload = dirname(__DIR__) . '/autoload.php';
        [$code, $output, $said] = Program::run([PHP_BINARY, '-r', $script, '--', $autoload, Built::library()]);
        self::assertSame("child: invalid_argument used_after_fork\nparent: 0 0\n", $output, $said);
        self::assertSame(0, $code);
    }

    /** Closing ends when the database is closed, so a child need not wait for it. */
    public function testAChildOfForkOpensAtOnceWhatItsParentClosed(): void
    {
        $script = <<<'PHP'
            require $argv[1];
            $open = static fn () => new SocialChannel\Host(['library' => $argv[2], 'data' => $argv[3]]);
            for ($round = 0; $round < 5; $round++) {
                $host = $open();
                $host->channels();
                $host->close();
                $pid = pcntl_fork();
                if ($pid === 0) {
                    $child = $open();
                    echo count($child->channels()), ' ';
                    $child->close();
                    exit(0);
                }
                pcntl_waitpid($pid, $status);
                echo pcntl_wexitstatus($status), "\n";
            }
            PHP;
        $folder = new Folder();
        $autoload = dirname(__DIR__) . '/autoload.php';
        $words = [PHP_BINARY, '-r', $script, '--', $autoload, Built::library(), "$folder->path/data"];
        [$code, $output, $said] = Program::run($words);
        self::assertSame(str_repeat("0 0\n", 5), $output, $said);
        self::assertSame(0, $code);
    }

    /** A process that ends while the library's threads work must not crash. */
    public function testAProcessEndsCleanlyWithItsHostOpen(): void
    {
        $script = 'require $argv[1]; $GLOBALS["host"] = new SocialChannel\Host(["library" => $argv[2]]); echo "open";';
        $autoload = dirname(__DIR__) . '/autoload.php';
        for ($round = 0; $round < 5; $round++) {
            [$code, $output, $said] = Program::run([PHP_BINARY, '-r', $script, '--', $autoload, Built::library()]);
            self::assertSame([0, 'open', ''], [$code, $output, $said]);
        }
    }

    private static function libc(): string
    {
        preg_match('~\S+/libc\.so\.6~', (string) file_get_contents('/proc/self/maps'), $found);
        return $found[0];
    }

    /** The key in the output of `keys create`. */
    private static function key(mixed $document): string
    {
        return $document['text'] ?? $document['key'] ?? throw new \RuntimeException((string) json_encode($document));
    }
}
