<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Exception\InvalidRequestException;
use SocialChannel\Exception\NotFoundException;
use SocialChannel\Exception\UnavailableException;
use SocialChannel\Exception\UnsupportedException;
use SocialChannel\Internal\Reader;
use SocialChannel\Internal\Transport;
use SocialChannel\Job;
use SocialChannel\Model\ImportRow;
use SocialChannel\Model\ImportStatus;
use SocialChannel\Model\JobChange;
use SocialChannel\Model\JobStatus;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;
use SocialChannel\Model\ProviderInfo;
use SocialChannel\Model\PublishForm;
use SocialChannel\Model\Redirect;
use SocialChannel\Model\Resolution;
use SocialChannel\Model\Severity;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Program;
use SocialChannel\Tests\Support\Simulator;
use SocialChannel\Tests\Support\Stage;
use SocialChannel\TransportKind;

/**
 * A complete run over both transports, each with its own simulator.
 */
final class StoryTest extends TestCase
{
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
        if (!isset(self::$stages[$kind->value])) {
            $stage = new Stage($kind, new Simulator());
            $stage->app();
            self::$stages[$kind->value] = $stage;
        }
        return self::$stages[$kind->value];
    }

    private static function post(string $text = 'Leek soup'): Post
    {
        return new Post('video', text: $text, visibility: 'PUBLIC_TO_EVERYONE');
    }

    /** @dataProvider ways */
    public function testTheWayIsSaidAndWhy(TransportKind $kind): void
    {
        $transport = self::stage($kind)->host->transport();
        self::assertSame($kind, $transport->kind);
        self::assertNotSame('', $transport->why);
        self::assertStringContainsString($kind === TransportKind::Ffi ? 'libsocialchannel' : 'unix:', (string) $transport);
    }

    public function testTheLogOfTheLibraryGoesToALogger(): void
    {
        require_once '/usr/share/php/Psr/Log/autoload.php';
        $logger = new class () extends \Psr\Log\AbstractLogger {
            /** @var list<array{string, string, array<mixed>}> */
            public array $lines = [];

            public function log($level, $message, array $context = []): void
            {
                $this->lines[] = [$level, (string) $message, $context];
            }
        };
        $stage = self::stage(TransportKind::Ffi);
        $channel = $stage->connect();
        $stage->host->log($logger);
        $logger->lines = [];
        $publish = static fn (): Job => $channel->publish(
            self::post(),
            Media::file($stage->folder->file('logged.mp4', 4096)),
            publishAt: time() + 3600,
        );
        $stored = static fn (): array => array_values(
            array_filter($logger->lines, static fn (array $line) => $line[1] === 'publish stored'),
        );
        $job = $publish();
        $count = $stage->host->log($logger);
        self::assertSame($count, count($logger->lines));
        self::assertCount(1, $stored());
        self::assertSame('info', $stored()[0][0]);
        self::assertSame($job->id, $stored()[0][2]['job']);
        $stage->host->log($logger);
        self::assertCount(1, $stored(), 'each line once');
        $stage->host->logLevel('off');
        $other = $publish();
        $stage->host->logLevel('info');
        $stage->host->log($logger);
        self::assertCount(1, $stored(), 'what is not asked for is not noted');
        foreach ([$job, $other] as $one) {
            $one->cancel()->wait(60);
        }
        self::assertSame(0, self::stage(TransportKind::Http)->host->log($logger), 'a service writes its own');
        $this->expectException(\SocialChannel\Exception\InvalidArgumentException::class);
        $stage->host->logLevel('loud');
    }

    /** @dataProvider ways */
    public function testAnAccountIsConnectedAndRead(TransportKind $kind): void
    {
        $stage = self::stage($kind);

        $redirect = $stage->host->connect('demo', Stage::OWNER);
        self::assertInstanceOf(Redirect::class, $redirect);
        $channel = $stage->host->completeConnect(Simulator::consent($redirect->url), Stage::OWNER);

        self::assertSame('Demo Kitchen', $channel->displayName);
        self::assertSame('demo.kitchen', $channel->profile()->username);
        self::assertSame(1204, $channel->stats()->followers);
        $page = $channel->posts(3);
        self::assertCount(3, $page->posts);
        self::assertNotNull($page->nextCursor);
        self::assertNotSame($page->posts[0]->id, $channel->posts(3, $page->nextCursor)->posts[0]->id);
        self::assertEquals([$page->posts[1]->id], array_column($channel->postsById([$page->posts[1]->id]), 'id'));
        self::assertGreaterThanOrEqual(57, count(iterator_to_array($channel->allPosts(), false)));
        self::assertContains($channel->id, array_column($stage->host->channels(), 'id'));
        self::assertEquals($channel->accountId, $stage->host->channel($channel->id)->accountId);
    }

    /** @dataProvider ways */
    public function testAProviderComesFromAnAddressIsReplacedAndGoesBack(TransportKind $kind): void
    {
        $stage = new Stage($kind, null);
        $component = (string) file_get_contents(Built::component('provider_minimal'));
        $file = "{$stage->folder->path}/provider.wasm";
        $port = Program::freePort();
        $address = "http://127.0.0.1:$port/provider.wasm";
        file_put_contents($file, $component);
        $server = new Program([PHP_BINARY, '-S', "127.0.0.1:$port", '-t', $stage->folder->path]);
        Program::awaitPort($port);

        $first = $stage->host->addProvider($address)->provider;
        self::assertSame([$address, false], [$first->origin?->reference, $first->origin?->signed]);
        $id = $first->descriptor->id;
        self::assertTrue($stage->host->checkProvider($id)->same);
        // The same with another digest: a custom section at its end.
        file_put_contents($file, $component . "\x00\x03\x01v\x01");
        $report = $stage->host->checkProvider($id, $address);
        self::assertSame([false, [], 0], [$report->same, $report->changes, $report->openJobs]);
        self::assertSame($first->digest, $report->from->digest);
        $second = $stage->host->updateProvider($id)->provider;
        self::assertSame([$report->to->digest, $first->digest], [$second->digest, $second->previous]);
        try {
            $stage->host->updateProvider($id, key: 'no key');
            self::fail('what is no key was taken');
        } catch (InvalidRequestException $error) {
            self::assertNotNull($error->remedy);
        }

        $server->stop();
        self::assertSame($first->digest, $stage->host->rollBackProvider($id)->provider->digest);
        $this->expectException(UnavailableException::class);
        $stage->host->updateProvider($id);
    }

    /** @dataProvider ways */
    public function testAnotherBrowserCannotCompleteAConnect(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $redirect = $stage->host->connect('demo', Stage::OWNER);
        $back = Simulator::consent($redirect->url);

        $this->expectException(InvalidRequestException::class);
        $stage->host->completeConnect($back, 'somebody else');
    }

    /** @dataProvider ways */
    public function testAVideoIsPublishedWithItsProgress(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $channel = $stage->connect();
        $video = Media::file($stage->folder->file('progress.mp4', 12_000_000));
        $findings = $channel->check(self::post(), $video);
        self::assertNotContains(Severity::Error, array_column($findings, 'severity'));

        $seen = [];
        $job = $channel->publish(self::post(), $video, idempotencyKey: 'progress')->wait(
            120,
            static function (Job $job) use (&$seen): void {
                $seen[] = $job->progress();
            },
            0.05,
        );

        self::assertSame(JobStatus::Published, $job->orFail()->status, (string) json_encode($job));
        self::assertNotNull($job->postId);
        self::assertSame(12_000_000, $job->bytesSent);
        self::assertSame(1.0, end($seen));
        $sorted = $seen;
        sort($sorted);
        self::assertSame($sorted, $seen, 'progress never goes back');
        self::assertContains('continue_publish', array_column($job->history(), 'call'));
        self::assertContains($job->id, array_column($stage->host->jobs($channel->id), 'id'));
        $posted = array_column($stage->simulator->get('/_simulator/world')['posts'] ?? [], 'id');
        self::assertContains($job->postId, array_map('strval', $posted));
    }

    /** @dataProvider ways */
    public function testTheSameKeyGivesTheSameJob(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $channel = $stage->connect();
        $video = Media::file($stage->folder->file('same.mp4', 100_000));
        $later = time() + 3600;

        $one = $channel->publish(self::post(), $video, 'same', publishAt: $later);
        $two = $channel->publish(self::post(), $video, 'same', publishAt: $later);

        self::assertSame($one->id, $two->id);
        try {
            $channel->publish(self::post('other words'), $video, 'same', publishAt: $later);
            self::fail('another request under the same key was taken');
        } catch (InvalidRequestException $error) {
            self::assertNotNull($error->remedy);
        }
        self::assertSame(JobStatus::Cancelled, $one->cancel()->wait(60)->status);
    }

    /** @dataProvider ways */
    public function testWhatNoNetworkTakesIsRefusedByItsField(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $channel = $stage->connect($stage->host->tenant('refused'));
        $video = Media::file($stage->folder->file('refused.mp4', 100_000));
        $public = 'PUBLIC_TO_EVERYONE';
        $posts = [
            'kind' => new Post('poll', text: 'x', visibility: $public),
            'visibility' => new Post('video', text: 'x', visibility: 'EVERYBODY_IN_TOWN'),
            'colour' => new Post('video', text: 'x', visibility: $public, options: ['colour' => 'red']),
        ];
        $refused = static function (string $field, callable $call): void {
            try {
                $call();
            } catch (InvalidRequestException $error) {
                self::assertSame($field, $error->field, $error->getMessage());
                self::assertNotNull($error->remedy);
                return;
            }
            self::fail("$field was taken");
        };
        foreach ($posts as $field => $post) {
            $refused($field, static fn () => $channel->publish($post, $video));
        }
        foreach ([1_577_836_800, time() * 1000, PHP_INT_MAX, PHP_INT_MIN] as $at) {
            $refused('publish_at', static fn () => $channel->publish(self::post(), $video, publishAt: $at));
        }
        self::assertSame([], $stage->host->tenant('refused')->jobs(), 'nothing is stored');
    }

    /** @dataProvider ways */
    public function testAJobIsChangedCancelledAndRetried(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $channel = $stage->connect();
        $video = Media::file($stage->folder->file('change.mp4', 100_000));
        $consent = ['by' => 'user 7'];
        $job = $channel->publish(self::post(), $video, publishAt: time() + 7200, priority: 5, consent: $consent);
        self::assertSame([5, $consent], [$job->priority, $job->consent]);

        $changed = $job->change(new JobChange(publishAt: time() + 3600, priority: 7));
        self::assertSame(7, $changed->priority);
        self::assertLessThan($job->publishAt, $changed->publishAt);
        $cancelled = $job->cancel()->wait(60);
        self::assertSame(JobStatus::Cancelled, $cancelled->status);
        $again = $cancelled->retry();
        self::assertSame($job->id, $again->retryOf);
        self::assertSame(JobStatus::Published, $again->wait(120)->orFail()->status);
        try {
            $again->resolve(new Resolution(false));
            self::fail('a published job was resolved');
        } catch (InvalidRequestException $error) {
            self::assertNotSame('', $error->getMessage());
        }
        self::assertSame(JobStatus::Published, $again->cancel()->status, 'what ended stays as it is');
        // A job that has ended cannot continue.
        $this->expectException(InvalidRequestException::class);
        $cancelled->resume();
    }

    /** @dataProvider ways */
    public function testAnUnknownEndIsResolvedByAPerson(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $stage->host->loadProvider(Built::component('test_provider'));
        $stage->host->putApp('unknown', ['behaviour' => 'upload'], 'test-provider', 'https://app.example.com/callback');
        $redirect = $stage->host->connect('unknown', Stage::OWNER);
        $channel = $stage->host->completeConnect("?state=$redirect->state", Stage::OWNER);
        // Without media the guest fails inside a call that must not be repeated; when called again, it returns an
        // unknown outcome.
        $job = $channel->publish(new Post('text', text: 'x'));
        for ($end = time() + 60; $job->attempts === 0 && time() < $end;) {
            $job = $job->wait(0.2);
        }
        $stage->host->putApp('unknown', ['behaviour' => '']);
        $job = $job->resume()->wait(120);
        self::assertSame(JobStatus::Unknown, $job->status, (string) json_encode($job));

        try {
            $job->retry();
            self::fail('it was retried though nobody looked');
        } catch (InvalidRequestException $error) {
            self::assertNotNull($error->remedy);
        }
        $resolved = $job->resolve(new Resolution(true, postId: '77'));

        self::assertSame(JobStatus::Published, $resolved->status);
        self::assertSame('77', $resolved->resolution?->postId);
    }

    /** @dataProvider ways */
    public function testWhatHappenedIsReadWhereItWasLeft(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $host = $stage->host->tenant('reader');
        self::assertSame([], $host->events()->events);
        $channel = $stage->connect($host);
        $page = $host->events(0, wait: INF);
        self::assertSame('channel.connected', $page->events[0]->type);
        self::assertSame($channel->id, $page->events[0]->data->channel);
        self::assertNull($page->events[0]->data->job);
        self::assertSame([1, 1, 0], [$page->next, $page->last, $page->missed]);
        self::assertSame([], $host->events($page->next, wait: 0.1)->events);
        $job = $channel->publish(self::post(), Media::file($stage->folder->file('told.mp4', 4096)), publishAt: time() + 3600);
        $job->cancel();
        $told = $host->events($page->next, limit: 1, wait: 50)->events[0];
        self::assertSame(['job.cancelled', 'cancelled', $job->id], [$told->type, $told->data->status, $told->data->job]);
        try {
            $host->events(99);
            self::fail('it is yet to come');
        } catch (InvalidRequestException $error) {
            self::assertSame('unknown_event', $error->platformCode);
        }
    }

    /** @dataProvider ways */
    public function testTenantsDoNotSeeEachOther(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $mine = $stage->connect($stage->host->tenant('mine'));

        self::assertSame([$mine->id], array_column($stage->host->tenant('mine')->channels(), 'id'));
        self::assertSame([], $stage->host->tenant('theirs')->channels());
        $this->expectException(NotFoundException::class);
        $stage->host->tenant('theirs')->channel($mine->id);
    }

    /** @dataProvider ways */
    public function testAProviderIsSwappedWhileEverythingRuns(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $channel = $stage->connect();
        $video = Media::file($stage->folder->file('swap.mp4', 12_000_000));
        $job = $channel->publish(self::post(), $video);
        $before = $stage->host->app('demo')->digest;
        // A custom section at the end makes another component of the same provider.
        $other = "{$stage->folder->path}/other.wasm";
        $bytes = file_get_contents(Built::component('plugin_tiktok'));
        file_put_contents($other, $bytes . "\0\5\4note");

        $loaded = $stage->host->loadProvider($other);

        self::assertSame([], $loaded->waiting);
        self::assertSame($loaded->provider->digest, $stage->host->app('demo')->digest);
        self::assertNotSame($before, $loaded->provider->digest);
        self::assertSame('demo.kitchen', $channel->profile()->username);
        $ended = $job->wait(120);
        self::assertSame([JobStatus::Published, $before], [$ended->status, $ended->digest]);
    }

    /** @dataProvider ways */
    public function testProvidersAndAppsAreManaged(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $seen = $stage->host->inspectProvider(Built::component('minimal_provider'));
        self::assertInstanceOf(ProviderInfo::class, $seen);
        $stage->host->loadProvider(Built::component('minimal_provider'));
        $app = $stage->host->putApp('extra', [], $seen->descriptor->id, 'https://app.example.com/callback');
        self::assertSame($seen->descriptor->id, $app->provider);
        self::assertContains('extra', array_column($stage->host->apps(), 'id'));
        self::assertContains('extra', $stage->host->providers()[array_search(
            $seen->digest,
            array_column($stage->host->providers(), 'digest'),
            true,
        )]->apps);
        $stage->host->deleteApp('extra');
        $stage->host->unloadProvider($seen->descriptor->id);
        self::assertNotContains('extra', array_column($stage->host->apps(), 'id'));
        self::assertNotContains($seen->digest, array_column($stage->host->providers(), 'digest'));
    }

    /** @dataProvider ways */
    public function testAnAppIsCheckedAndExplained(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $shown = $stage->host->app('demo');
        $secret = $shown->settings[array_search('client-secret', array_column($shown->settings, 'name'), true)];
        self::assertStringStartsWith('****', (string) $secret->value);
        self::assertContains(Severity::Ok, array_column($stage->host->checkApp('demo'), 'severity'));
        self::assertNotSame([], $stage->host->guide('demo'));
    }

    /** @dataProvider ways */
    public function testWebhooksAreJudgedByTheProvider(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $stage->host->loadProvider(Built::component('test_provider'));
        $stage->host->putApp('hooked', [], 'test-provider', 'https://app.example.com/callback');

        $answer = $stage->host->receiveWebhook('hooked', ['X-Signature' => 'good'], '{"a":1}');
        self::assertSame(['ok', 'text/plain; charset=utf-8'], [$answer->body, $answer->contentType]);

        $this->expectException(\SocialChannel\Exception\ForbiddenException::class);
        $stage->host->receiveWebhook('hooked', ['X-Signature' => 'bad'], '{"a":1}');
    }

    /** @dataProvider ways */
    public function testRowsOfAnImportAreReportedOneByOne(TransportKind $kind): void
    {
        $tenant = self::stage($kind)->host->tenant('moving');
        $rows = [
            new ImportRow(['refresh-token' => 'rft.nobody-knows-this-one'], reference: 'seven'),
            new ImportRow(['password' => 'swordfish-swordfish'], accountId: 'open-9'),
        ];

        $dry = $tenant->importChannels('demo', $rows, dryRun: true);
        $report = $tenant->importChannels('demo', $rows);

        self::assertTrue($dry->dryRun);
        self::assertSame([ImportStatus::Ready, ImportStatus::Refused], array_column($dry->rows, 'status'));
        self::assertSame([ImportStatus::Dead, ImportStatus::Refused], array_column($report->rows, 'status'));
        self::assertSame(['dead' => 1, 'refused' => 1], $report->counts);
        self::assertSame(['seven', 'invalid_grant'], [$report->rows[0]->reference, $report->rows[0]->error?->code]);
        self::assertFalse($report->isGood());
        self::assertStringNotContainsString('nobody-knows', print_r([$report, $rows], true));
        self::assertSame([], $tenant->channels());
    }

    /** @dataProvider ways */
    public function testAChannelIsDisconnected(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $tenant = $stage->host->tenant('leaving');
        $channel = $stage->connect($tenant);

        $channel->disconnect();

        self::assertSame([], $tenant->channels());
    }

    /** @dataProvider ways */
    public function testNoMemberOfADocumentIsLost(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        $channel = $stage->connect();
        $calls = (new \ReflectionProperty($stage->host, 'calls'))->getValue($stage->host);
        $transport = $calls->transport;
        assert($transport instanceof Transport);
        $documents = [
            [PublishForm::class, $transport->getPublishForm(null, $channel->id)],
            [\SocialChannel\Model\Profile::class, $transport->getProfile(null, $channel->id)],
            [\SocialChannel\Model\Stats::class, $transport->getStats(null, $channel->id)],
            [\SocialChannel\Model\PostPage::class, $transport->listPosts(null, $channel->id, ['limit' => 5])],
            [\SocialChannel\Channel::class, $transport->getChannel(null, $channel->id)],
            [\SocialChannel\Model\App::class, $transport->getApp('demo')],
        ];
        foreach ($transport->listProviders() as $provider) {
            $documents[] = [ProviderInfo::class, $provider];
        }
        foreach ($transport->listJobs(null, ['limit' => 20]) as $job) {
            $documents[] = [Job::class, $job];
        }
        foreach ($transport->getGuide('demo') as $step) {
            $documents[] = [\SocialChannel\Model\GuideStep::class, $step];
        }
        foreach ($documents as [$class, $document]) {
            $read = json_decode((string) json_encode(Reader::read($class, $document, $calls)), true);
            self::assertEquals(self::said($document), self::said($read), $class);
        }
    }

    /** @dataProvider ways */
    public function testOnlyAHostWithoutBackgroundNeedsAWorker(TransportKind $kind): void
    {
        $stage = self::stage($kind);
        self::assertFalse($stage->host->needsWorker());
        if ($kind === TransportKind::Http) {
            $this->expectException(UnsupportedException::class);
        }
        self::assertGreaterThanOrEqual(0, $stage->host->work(0)->jobs);
    }

    /** Null and empty members carry no information and may be omitted. */
    private static function said(mixed $document): mixed
    {
        if (!is_array($document)) {
            return $document;
        }
        $said = array_map(self::said(...), $document);
        $said = array_is_list($said) ? $said : array_filter($said, static fn ($it) => $it !== null && $it !== []);
        ksort($said);
        return $said;
    }
}
