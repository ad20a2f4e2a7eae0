<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Exception\CallException;
use SocialChannel\Host;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Program;

/**
 * Secrets do not appear in dumps or in stack traces.
 */
final class SecretsTest extends TestCase
{
    private const KEY = 'sck_0123456789abcdef';

    public function testADumpShowsNoKey(): void
    {
        $host = new Host(['service' => 'http://127.0.0.1:1', 'api_key' => self::KEY]);
        ob_start();
        var_dump($host, $host->tenant('one'));
        print_r($host);
        var_export((array) $host);
        $dumped = (string) ob_get_clean();
        self::assertStringNotContainsString(self::KEY, $dumped);
        self::assertStringContainsString('****', $dumped);
        self::assertStringContainsString('http://127.0.0.1:1', $dumped);
    }

    public function testTheTraceOfAFailureShowsNoSecret(): void
    {
        $script = <<<'PHP'
            require $argv[1];
            $library = ['library' => $argv[2]];
            $host = new SocialChannel\Host($library);
            $served = new SocialChannel\Host(['service' => 'http://127.0.0.1:1', 'api_key' => 'SECRET-1']);
            $calls = [
                fn () => new SocialChannel\Host($library + ['key' => 'SECRET-2']),
                fn () => new SocialChannel\Host(['service' => 'x', 'api_key' => 'SECRET-3']),
                fn () => new SocialChannel\Host(['service' => 'unix:/x', 'api_key' => "SECRET-4\n"]),
            ];
            foreach ([$host, $served] as $one) {
                $calls[] = fn () => $one->putApp('a', ['client-secret' => 'SECRET-5'], 'none', 'https://a.test/');
                $calls[] = fn () => $one->connect('none', 'SECRET-6', inputs: ['password' => 'SECRET-7']);
                $calls[] = fn () => $one->importChannels('none', [new SocialChannel\Model\ImportRow(['password' => 'SECRET-C'])]);
                $calls[] = fn () => $one->completeConnect('code=SECRET-8&state=SECRET-8', 'SECRET-9');
                $calls[] = fn () => $one->chooseAccount('SECRET-A', 'account', 'SECRET-B');
            }
            foreach ($calls as $call) {
                try {
                    $call();
                    echo "nothing failed\n";
                } catch (SocialChannel\Exception\CallException $error) {
                    echo get_class($error), "\n", $error, "\n";
                    // The frames of this script contain its own arguments.
                    $own = array_filter($error->getTrace(), fn ($frame) => isset($frame['class']));
                    foreach ($own as $frame) {
                        print_r(array_filter($frame['args'] ?? [], fn ($one) => !is_object($one)));
                        foreach (array_filter($frame['args'] ?? [], 'is_object') as $object) {
                            print_r((array) $object);
                        }
                    }
                }
            }
            PHP;
        $flags = ['-d', 'zend.exception_ignore_args=0', '-d', 'zend.exception_string_param_max_len=1000', '-r', $script, '--'];
        [$code, $output, $said] = Program::run([
            ...[PHP_BINARY, ...$flags],
            ...[dirname(__DIR__) . '/autoload.php', Built::library()],
        ]);
        self::assertSame([0, ''], [$code, $said], $output);
        self::assertStringNotContainsString('nothing failed', $output);
        self::assertStringContainsString('Exception', $output);
        preg_match_all('/^.*SECRET.*$/m', $output, $found);
        self::assertSame([], $found[0]);
    }

    public function testAFailureTravelsBetweenProcesses(): void
    {
        $failed = null;
        try {
            (new Host(['library' => Built::library()]))->channel('none');
        } catch (CallException $error) {
            $failed = $error;
        }
        self::assertNotNull($failed);
        // PHP does not serialise exceptions completely, but the error document can be serialised and restored.
        $document = json_decode((string) json_encode($failed->error()), true);
        $again = CallException::from(\SocialChannel\Internal\Reader::read(\SocialChannel\Model\Error::class, $document));
        self::assertSame([$failed::class, $failed->getMessage()], [$again::class, $again->getMessage()]);
        self::assertEquals($failed->error(), unserialize(serialize($failed->error())));
    }
}
