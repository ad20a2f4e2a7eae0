<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Exception\CallException;
use SocialChannel\Exception\InvalidArgumentException;
use SocialChannel\Exception\InvalidRequestException;
use SocialChannel\Exception\MisconfiguredException;
use SocialChannel\Host;
use SocialChannel\Model\Media;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Folder;
use SocialChannel\Tests\Support\Program;
use SocialChannel\Tests\Support\Stage;
use SocialChannel\TransportKind;

/**
 * A caller's values are checked before anything is written to a service or to disk.
 */
final class BoundaryTest extends TestCase
{
    /** Invalid names; the second would begin another request if it were written unchanged. */
    private const SMUGGLED = "a\r\nX: 1\r\n\r\nPUT /api/v1/apps/smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";

    /** @var array<string, Stage> */
    private static array $stages = [];

    public static function tearDownAfterClass(): void
    {
        self::$stages = [];
    }

    /** @return array<string, array{TransportKind}> */
    public function ways(): array
    {
        return ['ffi' => [TransportKind::Ffi], 'http' => [TransportKind::Http]];
    }

    private static function stage(TransportKind $kind): Stage
    {
        return self::$stages[$kind->value] ??= new Stage($kind, null);
    }

    private static function failure(callable $call): CallException
    {
        try {
            $call();
        } catch (CallException $error) {
            return $error;
        }
        self::fail('nothing was refused');
    }

    /** @dataProvider ways */
    public function testATenantIsOneToSixtyFourOfTheLibrarysCharacters(TransportKind $kind): void
    {
        $host = self::stage($kind)->host;
        foreach (['a', 'Customer-7', 'a.b_c-D9', '0', str_repeat('x', 64)] as $tenant) {
            self::assertSame([], $host->tenant($tenant)->channels());
        }
        foreach (['', ' ', 'a b', "a\n", "a\0", 'ä', 'a/b', 'a:b', str_repeat('x', 65), self::SMUGGLED] as $tenant) {
            $error = self::failure(static fn () => $host->tenant($tenant));
            self::assertInstanceOf(InvalidArgumentException::class, $error);
            self::assertSame('tenant', $error->field);
            self::assertSame('tenant', self::failure(static fn () => new Host(['service' => 'unix:/x'], $tenant))->field);
        }
    }

    public function testNothingThatIsGivenBeginsAnotherRequest(): void
    {
        $host = self::stage(TransportKind::Http)->host;
        $text = self::SMUGGLED;
        $calls = [
            fn () => $host->receiveWebhook('app', ['X-A' => $text], 'x'),
            fn () => $host->receiveWebhook('app', [$text => 'a'], 'x'),
            fn () => $host->receiveWebhook('app', [], 'x', $text),
            fn () => $host->receiveWebhook('app', [], 'x', "POST / HTTP/1.1\r\nX:"),
            fn () => $host->receiveWebhook('app', [], 'x', query: $text),
            fn () => $host->upload(Media::file(__FILE__, contentType: $text)),
            fn () => new Host(['service' => self::stage(TransportKind::Http)->service->address, 'api_key' => $text]),
            fn () => new Host(['service' => "http://127.0.0.1:1/$text"]),
            fn () => new Host(['service' => "http://127.0.0.1\r\n"]),
        ];
        foreach ($calls as $at => $call) {
            $error = self::failure($call);
            self::assertTrue(
                $error instanceof InvalidArgumentException || $error instanceof MisconfiguredException,
                "$at: " . $error::class,
            );
            self::assertNotNull($error->remedy);
        }
        // In a URL it is encoded, and in a body it is JSON: there it is only an invalid name.
        foreach (
            [
                fn () => $host->app($text),
                fn () => $host->deleteApp($text),
                fn () => $host->channel($text),
                fn () => $host->job($text),
                fn () => $host->jobs(channel: $text, before: $text),
                fn () => $host->unloadProvider($text),
                fn () => $host->connect($text, 'me'),
                fn () => $host->completeConnect($text, $text),
                fn () => $host->putApp($text, [], 'x'),
            ] as $call
        ) {
            try {
                $call();
            } catch (CallException $error) {
                self::assertNotSame('', $error->getMessage());
            }
        }
        self::assertSame([], $host->apps(), 'an app was smuggled in');
    }

    public function testTheAddressOfAServiceIsAWholePathOrAnOrigin(): void
    {
        // Without a path curl would call port 80 of this machine, and send the key to it.
        foreach (['unix:', 'unix:service.sock', 'unix:./x', 'http://', 'http://a b', 'ftp://a', 'http://u:p@a', 'a'] as $given) {
            $error = self::failure(static fn () => new Host(['service' => $given]));
            self::assertInstanceOf(MisconfiguredException::class, $error, $given);
            self::assertSame('service', $error->field);
        }
        foreach (['', false] as $unset) {
            $error = self::failure(static fn () => new Host(['service' => $unset]));
            self::assertStringContainsString('is empty', $error->getMessage());
        }
    }

    /** @dataProvider ways */
    public function testNobodyCannotBeginOrCompleteAConnect(TransportKind $kind): void
    {
        $host = self::stage($kind)->host;
        foreach (
            [
                fn () => $host->connect('app', ''),
                fn () => $host->completeConnect('state=x', ''),
                fn () => $host->chooseAccount('choice', 'account', ''),
            ] as $call
        ) {
            $error = self::failure($call);
            self::assertInstanceOf(InvalidRequestException::class, $error);
            self::assertSame('owner', $error->field);
            self::assertStringContainsString('session_start()', (string) $error->remedy);
        }
    }

    public function testAPathThatDependsOnTheFolderOfTheProcessIsRefused(): void
    {
        $folder = new Folder();
        $here = (string) getcwd();
        chdir($folder->path);
        try {
            foreach (['data', 'database', 'cache', 'key_file', 'media_folder'] as $member) {
                foreach (['', '.', 'data', './data', '../data'] as $path) {
                    $error = self::failure(static fn () => new Host(['library' => Built::library(), $member => $path]));
                    self::assertInstanceOf(InvalidRequestException::class, $error);
                    self::assertSame($member, $error->field);
                    self::assertNotNull($error->remedy);
                }
            }
        } finally {
            chdir($here);
        }
        self::assertSame(['.', '..'], scandir($folder->path), 'something was written');
    }

    /** @return array<string, array{string, string, bool}> */
    public function places(): array
    {
        return [
            'beside a page' => ['site/index.php', 'site/data', true],
            'in the folder of a page' => ['site/index.php', 'site', true],
            'far below a page' => ['site/index.php', 'site/var/shop/data', true],
            'below rules of Apache' => ['site/.htaccess', 'site/data', true],
            'beside the served folder' => ['site/public/index.php', 'site/data', false],
            'nothing is served' => ['site/notes.txt', 'site/data', false],
        ];
    }

    /** @dataProvider places */
    public function testAKeyBelowAServedFolderIsWarnedOf(string $file, string $data, bool $warned): void
    {
        $folder = new Folder();
        mkdir(dirname("$folder->path/$file"), 0o755, true);
        touch("$folder->path/$file");
        $script = 'require $argv[1]; new SocialChannel\Host(["library" => $argv[2], "data" => $argv[3]]); echo "open";';
        $arguments = [dirname(__DIR__) . '/autoload.php', Built::library(), "$folder->path/$data"];
        $flags = ['-d', 'display_errors=stderr', '-d', 'log_errors=0'];
        [$code, $output, $said] = Program::run([PHP_BINARY, ...$flags, '-r', $script, '--', ...$arguments]);
        self::assertSame([0, 'open'], [$code, $output], $said);
        self::assertSame($warned, str_contains($said, 'master key'), $said);
        self::assertSame($warned, $said !== '', $said);
    }
}
