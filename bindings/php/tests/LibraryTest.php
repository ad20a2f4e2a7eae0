<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Exception\CallException;
use SocialChannel\Exception\LoadException;
use SocialChannel\Exception\MisconfiguredException;
use SocialChannel\Host;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Compiled;
use SocialChannel\Tests\Support\Folder;
use SocialChannel\Tests\Support\Program;

/**
 * The library in this process: errors if it does not load, and leaks of calls.
 */
final class LibraryTest extends TestCase
{
    private Folder $folder;

    protected function setUp(): void
    {
        $this->folder = new Folder();
    }

    private static function failure(callable $call): CallException
    {
        try {
            $call();
        } catch (CallException $error) {
            return $error;
        }
        self::fail('nothing failed');
    }

    /** @return array<string, array{int, int}> */
    public function otherVersions(): array
    {
        return ['a newer minor' => [0, 2], 'a newer major' => [1, 0], 'far off' => [7, 1]];
    }

    /** @dataProvider otherVersions */
    public function testALibraryOfAnotherVersionIsRefusedWithBothVersions(int $major, int $minor): void
    {
        $library = Compiled::ofVersion($this->folder, $major, $minor);
        $error = self::failure(static fn () => new Host(['library' => $library]));
        self::assertInstanceOf(LoadException::class, $error);
        self::assertStringContainsString("it is version $major.$minor.0, but this package needs 0.1", $error->getMessage());
        self::assertStringContainsString('same version', (string) $error->remedy);
    }

    public function testALibraryForAnotherMachineIsNamedAsThat(): void
    {
        $bytes = (string) file_get_contents(Built::library(), false, null, 0, 4096);
        $other = php_uname('m') === 'aarch64' ? [62, 'x86_64'] : [183, 'aarch64'];
        file_put_contents("{$this->folder->path}/other.so", substr_replace($bytes, pack('v', $other[0]), 18, 2));
        $error = self::failure(fn () => new Host(['library' => "{$this->folder->path}/other.so"]));
        self::assertStringContainsString("it is built for $other[1]", $error->getMessage());
        self::assertStringContainsString('this machine', (string) $error->remedy);
    }

    public function testALibraryThatLacksAnotherSaysWhich(): void
    {
        file_put_contents("{$this->folder->path}/empty.c", '');
        $missing = Compiled::library("{$this->folder->path}/libmissing.so", "{$this->folder->path}/empty.c");
        $flags = ['-Wl,--no-as-needed', $missing];
        $library = Compiled::library("{$this->folder->path}/lacks.so", "{$this->folder->path}/empty.c", $flags);
        unlink($missing);
        $error = self::failure(static fn () => new Host(['library' => $library]));
        self::assertStringContainsString('libmissing.so', $error->getMessage());
    }

    public function testOpenBasedirIsNamedWithTheLineToWrite(): void
    {
        $script = <<<'PHP'
            require $argv[1];
            foreach ([
                fn () => new SocialChannel\Host(['library' => $argv[2]]),
                fn () => (new SocialChannel\Host(['service' => 'unix:/x']))->loadProvider($argv[2]),
                fn () => (new SocialChannel\Host(['service' => 'unix:/x']))->upload($argv[2]),
            ] as $call) {
                try {
                    $call();
                    echo "opened\n";
                } catch (SocialChannel\Exception\CallException $error) {
                    echo $error->getMessage(), ' | ', $error->remedy, "\n";
                }
            }
            PHP;
        $allowed = dirname(__DIR__) . PATH_SEPARATOR . '/nowhere';
        $flags = ['-d', "open_basedir=$allowed", '-d', 'display_errors=stderr', '-r', $script, '--'];
        $library = Built::library();
        [, $output, $said] = Program::run([PHP_BINARY, ...$flags, dirname(__DIR__) . '/autoload.php', $library]);
        self::assertSame('', $said, 'PHP itself warned');
        $lines = explode("\n", trim($output));
        self::assertCount(3, $lines, $output);
        foreach ($lines as $line) {
            self::assertStringContainsString("open_basedir ($allowed) denies PHP access to " . dirname($library), $line);
            self::assertStringContainsString("write open_basedir = $allowed" . PATH_SEPARATOR . dirname($library), $line);
        }
    }

    public function testAFileThatThisUserMayNotReadIsNamedAsThat(): void
    {
        if (!function_exists('posix_geteuid') || posix_geteuid() !== 0) {
            // Files of other users cannot be created here; unreadable files of this user are equivalent.
            $become = '';
        } else {
            $become = 'posix_setuid(65534);';
        }
        copy(__FILE__, "{$this->folder->path}/private.so");
        chmod("{$this->folder->path}/private.so", $become === '' ? 0 : 0o600);
        $script = <<<PHP
            require \$argv[1];
            new ReflectionClass('SocialChannel\\Internal\\Files');
            $become
            [\$why, \$remedy] = SocialChannel\\Internal\\Files::whyNot(\$argv[2]);
            echo \$why, ' | ', \$remedy;
            PHP;
        $arguments = [dirname(__DIR__) . '/autoload.php', "{$this->folder->path}/private.so"];
        [, $output, $said] = Program::run([PHP_BINARY, '-r', $script, '--', ...$arguments]);
        self::assertMatchesRegularExpression('/the user \S+ may not read it \| .*setfacl/', $output . $said);
    }

    public function testWithoutTheLibraryEveryPlaceIsNamed(): void
    {
        $error = self::failure(fn () => new Host(['library' => "{$this->folder->path}/none.so"]));
        self::assertInstanceOf(MisconfiguredException::class, $error);
        self::assertStringContainsString('no such file', $error->getMessage());
    }

    public function testTwoGigabytesOfAddressSpaceAreEnough(): void
    {
        $script = <<<'PHP'
            require $argv[1];
            $host = new SocialChannel\Host(['library' => $argv[2], 'data' => $argv[3]]);
            $host->loadProvider($argv[4]);
            $host->putApp('app', ['behaviour' => ''], 'test-provider', 'https://app.example.com/callback');
            $redirect = $host->connect('app', 'me');
            echo $host->completeConnect("?state=$redirect->state", 'me')->profile()->displayName;
            PHP;
        $arguments = [dirname(__DIR__) . '/autoload.php', Built::library(), "{$this->folder->path}/data"];
        $php = [PHP_BINARY, '-r', $script, '--', ...$arguments, Built::component('test_provider')];
        [$code, $output, $said] = Program::run(['sh', '-c', 'ulimit -v 2097152; exec "$0" "$@"', ...$php]);
        self::assertSame([0, 'Test'], [$code, $output], $said);
    }

    public function testMemoryStaysFlatOverSixtyThousandCalls(): void
    {
        $script = <<<'PHP'
            require $argv[1];
            $host = new SocialChannel\Host(['library' => $argv[2]]);
            $call = static function () use ($host): void {
                $host->apps();
                try {
                    $host->channel('none');
                } catch (SocialChannel\Exception\NotFoundException) {
                }
                try {
                    $host->receiveWebhook('none', [], 'body');
                } catch (SocialChannel\Exception\CallException) {
                }
            };
            for ($round = 0; $round < 1_000; $round++) {
                $call();
            }
            $before = memory_get_usage();
            for ($round = 0; $round < 20_000; $round++) {
                $call();
            }
            echo memory_get_usage() - $before;
            PHP;
        $arguments = [dirname(__DIR__) . '/autoload.php', Built::library()];
        $flags = ['-d', 'memory_limit=8M', '-r', $script, '--'];
        [$code, $output, $said] = Program::run([PHP_BINARY, ...$flags, ...$arguments]);
        self::assertSame(0, $code, $output . $said);
        self::assertLessThan(64 << 10, (int) $output);
    }
}
