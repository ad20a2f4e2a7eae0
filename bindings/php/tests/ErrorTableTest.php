<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Channel;
use SocialChannel\Exception as E;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\Model\Media;
use SocialChannel\Model\Outcome;
use SocialChannel\Model\Post;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Stage;
use SocialChannel\TransportKind;

/**
 * Produces every row of the table of failures, over both transports. The guest `test-provider` returns the error that
 * its setting names; errors that no provider can return are caused by real faults.
 */
final class ErrorTableTest extends TestCase
{
    /** Errors that a provider may return, as named in the contract. */
    private const PROVIDERS = [
        'invalid-request' => [ErrorKind::InvalidRequest, 200, E\InvalidRequestException::class],
        'forbidden' => [ErrorKind::Forbidden, 202, E\ForbiddenException::class],
        'not-found' => [ErrorKind::NotFound, 203, E\NotFoundException::class],
        'rejected' => [ErrorKind::Rejected, 204, E\RejectedException::class],
        'rate-limited' => [ErrorKind::RateLimited, 205, E\RateLimitedException::class],
        'unavailable' => [ErrorKind::Unavailable, 206, E\UnavailableException::class],
        'outcome-unknown' => [ErrorKind::OutcomeUnknown, 207, E\OutcomeUnknownException::class],
        'unsupported' => [ErrorKind::Unsupported, 208, E\UnsupportedException::class],
        'misconfigured' => [ErrorKind::Misconfigured, 209, E\MisconfiguredException::class],
        'authorization-denied' => [ErrorKind::AuthorizationDenied, 210, E\AuthorizationDeniedException::class],
        'quota-exceeded' => [ErrorKind::QuotaExceeded, 211, E\QuotaExceededException::class],
        'other' => [ErrorKind::Other, 299, E\ProviderException::class],
        'unauthorized' => [ErrorKind::Unauthorized, 201, E\UnauthorizedException::class],
    ];

    /** Errors that no provider can return, and the tests that cause them. */
    private const OWN = [
        [ErrorKind::InvalidArgument, 'testTextThatIsNoUtf8IsAnInvalidArgument'],
        [ErrorKind::DeniedByPolicy, 'testWhatTheOperatorDidNotGrantIsDenied'],
        [ErrorKind::LimitExceeded, 'testAProviderThatTakesTooMuchIsStopped'],
        [ErrorKind::ProviderFault, 'testAProviderThatBreaksIsAtFault'],
        [ErrorKind::Incompatible, 'testAComponentOfAnotherContractDoesNotLoad'],
        [ErrorKind::LoadFailed, 'testAFileThatIsNoComponentDoesNotLoad'],
        [ErrorKind::Internal, 'testADamagedDatabaseIsAnInternalFailure'],
    ];

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

    /** @return \Generator<string, array{TransportKind, string}> */
    public function rows(): \Generator
    {
        foreach ($this->ways() as $way => [$kind]) {
            foreach (array_keys(self::PROVIDERS) as $row) {
                yield "$way $row" => [$kind, $row];
            }
        }
    }

    private static function stage(TransportKind $kind): Stage
    {
        if (!isset(self::$stages[$kind->value])) {
            $stage = new Stage($kind, null);
            $stage->host->loadProvider(Built::component('test_provider'));
            self::$stages[$kind->value] = $stage;
        }
        return self::$stages[$kind->value];
    }

    private static function connect(Stage $stage, string $app = 'faulty'): Channel
    {
        $stage->host->putApp($app, ['behaviour' => ''], 'test-provider', 'https://app.example.com/callback');
        $redirect = $stage->host->connect($app, Stage::OWNER);
        $channel = $stage->host->completeConnect("?state=$redirect->state", Stage::OWNER);
        assert($channel instanceof Channel);
        return $channel;
    }

    private static function behaving(TransportKind $kind, string $behaviour): Channel
    {
        $stage = self::stage($kind);
        // A separate account, because one that returned `unauthorized` is not used again.
        $channel = self::connect($stage);
        $stage->host->putApp('faulty', ['behaviour' => $behaviour]);
        return $channel;
    }

    private static function failure(callable $call): E\CallException
    {
        try {
            $call();
        } catch (E\CallException $error) {
            return $error;
        }
        self::fail('nothing failed');
    }

    /** @dataProvider rows */
    public function testWhatAProviderSaysArrivesWhole(TransportKind $kind, string $row): void
    {
        [$expected, $status, $class] = self::PROVIDERS[$row];
        $channel = self::behaving($kind, "error $row");

        $error = self::failure(static fn () => $channel->profile());

        self::assertSame([$class, $expected, $status], [$error::class, $error->kind, $error->getCode()]);
        self::assertSame("the platform said $row", $error->getMessage());
        self::assertSame('do this now', $error->remedy);
        self::assertSame('platform_code_7', $error->platformCode);
        self::assertSame('title', $error->field);
        self::assertSame(61_500, $error->retryAfterMs);
        self::assertSame('20261125LOG', $error->traceId);
        self::assertSame('test-provider', $error->provider);
        self::assertSame('get-profile', $error->operation);
        self::assertSame($expected->isRetryable(), $error->isRetryable());
    }

    /** @dataProvider ways */
    public function testTextThatIsNoUtf8IsAnInvalidArgument(TransportKind $kind): void
    {
        $channel = self::behaving($kind, '');
        $error = self::failure(static fn () => $channel->check(new Post('text', text: "\xff")));
        self::assertSame([ErrorKind::InvalidArgument, 100], [$error->kind, $error->getCode()]);
        self::assertInstanceOf(E\InvalidArgumentException::class, $error);
        if ($kind === TransportKind::Ffi) {
            // This tests the library itself.
            $stage = self::stage($kind);
            $error = self::failure(static fn () => $stage->host->channel("\xff"));
            self::assertSame('invalid_utf8', $error->platformCode);
            self::assertInstanceOf(E\InvalidArgumentException::class, $error);
        }
    }

    /** @dataProvider ways */
    public function testWhatTheOperatorDidNotGrantIsDenied(TransportKind $kind): void
    {
        $channel = self::behaving($kind, '');
        $media = Media::url('https://127.0.0.1/a.mp4');
        $error = self::failure(static fn () => $channel->check(new Post('video'), $media));
        self::assertSame([ErrorKind::DeniedByPolicy, 300], [$error->kind, $error->getCode()]);
        self::assertInstanceOf(E\DeniedByPolicyException::class, $error);
    }

    /** @dataProvider ways */
    public function testAProviderThatTakesTooMuchIsStopped(TransportKind $kind): void
    {
        $channel = self::behaving($kind, 'memory');
        $error = self::failure(static fn () => $channel->profile());
        self::assertSame([ErrorKind::LimitExceeded, 301], [$error->kind, $error->getCode()]);
        self::assertInstanceOf(E\LimitExceededException::class, $error);
        self::assertSame(Outcome::NotDone, $error->outcome);
    }

    /** @dataProvider ways */
    public function testAProviderThatBreaksIsAtFault(TransportKind $kind): void
    {
        $channel = self::behaving($kind, 'trap');
        $error = self::failure(static fn () => $channel->profile());
        self::assertSame([ErrorKind::ProviderFault, 302], [$error->kind, $error->getCode()]);
        self::assertInstanceOf(E\ProviderFaultException::class, $error);
        self::assertNotNull($error->remedy);
    }

    /** @dataProvider ways */
    public function testAComponentOfAnotherContractDoesNotLoad(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $bytes = (string) file_get_contents(Built::component('minimal_provider'));
        $path = "{$stage->folder->path}/newer.wasm";
        $newer = preg_replace('~(social:channel/[a-z]+)@0\.1\.0~', '$1@0.2.0', $bytes);
        file_put_contents($path, $newer);
        $error = self::failure(static fn () => $stage->host->loadProvider($path));
        self::assertSame([ErrorKind::Incompatible, 310], [$error->kind, $error->getCode()]);
        self::assertInstanceOf(E\LoadException::class, $error);
    }

    /** @dataProvider ways */
    public function testAFileThatIsNoComponentDoesNotLoad(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $error = self::failure(static fn () => $stage->host->loadProvider(__FILE__));
        self::assertSame([ErrorKind::LoadFailed, 311], [$error->kind, $error->getCode()]);
        self::assertInstanceOf(E\LoadException::class, $error);
    }

    /** @dataProvider ways */
    public function testADamagedDatabaseIsAnInternalFailure(TransportKind $kind): void
    {
        $stage = new Stage($kind, null);
        $stage->host->loadProvider(Built::component('test_provider'));
        $channel = self::connect($stage);
        $database = new \PDO("sqlite:{$stage->folder->path}/data/social-channel.sqlite");
        $database->exec('PRAGMA busy_timeout = 5000');
        $database->exec("UPDATE accounts SET credentials = x'00112233445566778899'");

        $error = self::failure(static fn () => $channel->profile());

        self::assertSame(ErrorKind::Internal, $error->kind, $error->getMessage());
        self::assertSame(900, $error->getCode());
        self::assertInstanceOf(E\InternalException::class, $error);
    }

    /** The kinds are those of the header (below), so a new row that is not tested here is noticed. */
    public function testEveryRowIsDriven(): void
    {
        $driven = [];
        foreach (self::PROVIDERS as [$kind]) {
            $driven[] = $kind->value;
        }
        foreach (self::OWN as [$kind, $test]) {
            self::assertTrue(method_exists($this, $test), $test);
            $driven[] = $kind->value;
        }
        $all = array_map(static fn (ErrorKind $kind): string => $kind->value, ErrorKind::cases());
        self::assertEqualsCanonicalizing($all, $driven);
    }

    public function testEveryKindHasAClassAndANumberOfItsOwn(): void
    {
        $numbers = [];
        foreach (ErrorKind::cases() as $kind) {
            $error = E\CallException::from(new Error($kind, 'what happened', 'what to do', outcome: Outcome::Unknown));
            self::assertSame($kind->exception(), $error::class);
            self::assertSame($kind->status(), $error->getCode());
            self::assertSame(['what happened', 'what to do'], [$error->getMessage(), $error->remedy]);
            self::assertSame($kind, $error->error()->kind);
            $numbers[] = $error->getCode();
        }
        self::assertSame($numbers, array_unique($numbers));
        // The classes that exist are those of the table, and no other.
        $classes = array_map(static fn (ErrorKind $kind): string => $kind->exception(), ErrorKind::cases());
        $files = glob(dirname(__DIR__) . '/src/Exception/*Exception.php') ?: [];
        $own = ['SocialChannelException', 'CallException'];
        $named = array_diff(array_map(static fn (string $file): string => basename($file, '.php'), $files), $own);
        $known = array_map(static fn (string $class): string => (string) preg_replace('/.*\\\\/', '', $class), $classes);
        self::assertEqualsCanonicalizing(array_values(array_unique($known)), array_values($named));
    }

    public function testTheNumbersAreThoseOfTheHeader(): void
    {
        $header = (string) file_get_contents(dirname(__DIR__) . '/src/Internal/social_channel.ffi.h');
        preg_match_all('/SOCIALCHANNEL_STATUS_(\w+) = (\d+)/', $header, $found);
        $expected = array_combine(array_map('strtolower', $found[1]), array_map('intval', $found[2]));
        unset($expected['ok']);
        $ours = [];
        foreach (ErrorKind::cases() as $kind) {
            $ours[$kind->value] = $kind->status();
        }
        self::assertEquals($expected, $ours);
    }

    public function testAKindOfANewerLibraryIsTheGeneralException(): void
    {
        $document = ['kind' => 'weather', 'message' => 'it rains', 'umbrella' => true];
        $error = E\CallException::from(\SocialChannel\Internal\Reader::read(Error::class, $document));
        self::assertInstanceOf(E\ProviderException::class, $error);
        self::assertSame('it rains', $error->getMessage());
    }
}
