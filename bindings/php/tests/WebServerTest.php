<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use PHPUnit\Framework\TestCase;
use SocialChannel\Channel;
use SocialChannel\Host;
use SocialChannel\Model\JobStatus;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Simulator;
use SocialChannel\Tests\Support\Stage;
use SocialChannel\Tests\Support\Snippets;
use SocialChannel\Tests\Support\WebServer;
use SocialChannel\TransportKind;

/**
 * The package under real web servers: PHP's own, and PHP-FPM behind nginx, as Debian ships them.
 */
final class WebServerTest extends TestCase
{
    private static Stage $inProcess;
    private static Stage $service;
    private static Channel $mine;
    private static Channel $served;
    /** @var list<WebServer> */
    private array $servers = [];

    public static function setUpBeforeClass(): void
    {
        self::$inProcess = new Stage(TransportKind::Ffi, new Simulator());
        self::$inProcess->app();
        self::$mine = self::$inProcess->connect();
        self::$service = new Stage(TransportKind::Http, new Simulator());
        self::$service->app();
        self::$served = self::$service->connect();
    }

    public static function tearDownAfterClass(): void
    {
        self::$inProcess->host->close();
        self::$service->service?->stop();
    }

    protected function tearDown(): void
    {
        foreach ($this->servers as $server) {
            $server->stop();
        }
    }

    /** @return array<string, mixed> */
    private static function data(): array
    {
        return [
            'library' => Built::library(),
            'data' => self::$inProcess->folder->path . '/data',
            'policy' => self::$inProcess->simulator->policy,
        ];
    }

    private function started(WebServer $server): WebServer
    {
        return $this->servers[] = $server;
    }

    /** The request stores the job, and a worker in another process runs it. */
    private function assertPublishesWithAWorker(WebServer $server): void
    {
        $file = self::$inProcess->folder->file(bin2hex(random_bytes(4)) . '.mp4', 6_000_000);
        $job = $server->get('/publish', ['channel' => self::$mine->id, 'file' => $file]);
        self::assertSame('active', $job['status'] ?? null, (string) json_encode($job));
        $waited = $server->get('/job', ['job' => $job['id'], 'seconds' => '1.5']);
        self::assertSame(['active', 0], [$waited['status'], $waited['bytes_sent']], 'nobody drives it yet');

        $worker = new Host(self::data() + ['background' => false]);
        self::assertTrue($worker->needsWorker());
        $end = time() + 120;
        $taken = 0;
        while (!$worker->job($job['id'])->hasEnded() && time() < $end) {
            $taken += $worker->work(2)->jobs;
        }

        self::assertGreaterThan(0, $taken);
        self::assertSame('published', $server->get('/job', ['job' => $job['id']])['status']);
    }

    private function assertPublishesThroughTheService(WebServer $server): void
    {
        $file = self::$service->folder->file(bin2hex(random_bytes(4)) . '.mp4', 6_000_000);
        $job = $server->get('/publish', ['channel' => self::$served->id, 'file' => $file]);
        self::assertNotNull($job['id'] ?? null, (string) json_encode($job));
        // It was uploaded, so the page's own copy may be deleted.
        unlink($file);
        self::assertSame('published', $server->get('/job', ['job' => $job['id'], 'seconds' => '120'])['status']);
    }

    public function testThePackageRunsInPhpsOwnServerByFfi(): void
    {
        $server = $this->started(WebServer::builtIn(self::$inProcess->folder, self::data(), ['-d', 'ffi.enable=1']));
        $transport = $server->get('/transport');
        self::assertSame(['cli-server', 'ffi', true], [
            $transport['sapi'],
            $transport['kind'],
            $transport['needs_worker'],
        ]);
        self::assertSame('demo.kitchen', $server->get('/profile', ['channel' => self::$mine->id])['username']);
        $this->assertPublishesWithAWorker($server);
    }

    public function testThePackageCallsTheServiceInPhpsOwnServerAsItComes(): void
    {
        $config = self::data() + ['service' => self::$service->service?->socket];
        $server = $this->started(WebServer::builtIn(self::$service->folder, $config));
        $transport = $server->get('/transport');
        self::assertSame(['cli-server', 'http', false], [
            $transport['sapi'],
            $transport['kind'],
            $transport['needs_worker'],
        ]);
        self::assertStringStartsWith('a service is configured', $transport['why']);
        self::assertSame('demo.kitchen', $server->get('/profile', ['channel' => self::$served->id])['username']);
    }

    public function testFpmAsDebianShipsItCallsTheService(): void
    {
        $config = self::data() + ['service' => self::$service->service?->socket];
        $server = $this->started(WebServer::fpm(self::$service->folder, $config));
        $transport = $server->get('/transport');
        self::assertSame(['fpm-fcgi', 'http'], [$transport['sapi'], $transport['kind']]);
        self::assertStringStartsWith('a service is configured', $transport['why']);
        self::assertContains(self::$served->id, $server->get('/channels'));
        self::assertSame('demo.kitchen', $server->get('/profile', ['channel' => self::$served->id])['username']);
        $this->assertPublishesThroughTheService($server);
    }

    public function testFpmWithoutFfiAndWithoutServiceSaysWhatToDo(): void
    {
        $server = $this->started(WebServer::fpm(self::$inProcess->folder, self::data()));
        $error = $server->get('/transport');
        self::assertSame(['misconfigured', 'no_transport'], [$error['kind'], $error['code']]);
        self::assertStringContainsString('ffi.enable=preload', $error['message']);
        self::assertStringContainsString('opcache.preload', $error['remedy']);
        self::assertStringContainsString('social-channel serve', $error['remedy']);
        // FPM clears the environment, so a variable of the shell would not be passed on.
        self::assertStringContainsString('env[SOCIAL_CHANNEL_SERVICE]', $error['remedy']);
    }

    public function testFpmThatDoesNotFindTheLibraryNamesThePoolsLine(): void
    {
        $config = array_diff_key(self::data(), ['library' => 1]);
        $server = $this->started(WebServer::fpm(self::$inProcess->folder, $config, ['ffi.enable' => '1']));
        $error = $server->get('/transport');
        self::assertSame(['misconfigured', 'no_transport'], [$error['kind'], $error['code']]);
        self::assertStringContainsString('env[SOCIAL_CHANNEL_LIBRARY] = ', $error['remedy']);
    }

    public function testAnEmptyOrRelativeDataFolderUnderFpmIsRefusedAndNothingIsWritten(): void
    {
        $beside = scandir(__DIR__ . '/web');
        foreach (['', 'data'] as $data) {
            $config = ['data' => $data] + self::data();
            $server = $this->started(WebServer::fpm(self::$inProcess->folder, $config, ['ffi.enable' => '1']));
            $error = $server->get('/transport');
            self::assertSame(['invalid_request', 'data'], [$error['kind'] ?? null, $error['field'] ?? null]);
            $server->stop();
        }
        self::assertSame($beside, scandir(__DIR__ . '/web'));
    }

    /** The lines of README.md; replaced are the package's folder and the user. */
    public function testFpmWithThePackagePreloadedRunsTheLibrary(): void
    {
        [$block] = (new Snippets(dirname(__DIR__) . '/README.md'))->all('ini');
        $user = posix_getpwuid(posix_geteuid())['name'];
        $block = str_replace(['/path/of/bindings/php', 'www-data'], [dirname(__DIR__), $user], $block);
        $flags = ['opcache.enable' => '1'] + (array) parse_ini_string($block);
        $server = $this->started(WebServer::fpm(self::$inProcess->folder, self::data(), $flags));
        $transport = $server->get('/transport');
        self::assertSame(['fpm-fcgi', 'ffi', true], [
            $transport['sapi'] ?? null,
            $transport['kind'] ?? null,
            $transport['needs_worker'] ?? null,
        ], json_encode($transport) . $server->logs());
        self::assertSame('demo.kitchen', $server->get('/profile', ['channel' => self::$mine->id])['username']);
        $this->assertPublishesWithAWorker($server);
    }

    public function testFpmWithFfiOnServesManyRequestsOneAfterAnother(): void
    {
        $server = $this->started(WebServer::fpm(self::$inProcess->folder, self::data(), ['ffi.enable' => '1']));
        $processes = [];
        for ($round = 0; $round < 30; $round++) {
            $transport = $server->get('/transport');
            self::assertSame('ffi', $transport['kind'] ?? null, json_encode($transport) . $server->logs());
            $processes[$transport['pid']] = true;
            self::assertContains(self::$mine->id, $server->get('/channels'));
        }
        // Each request opened a host, and closing it crashed no process.
        self::assertLessThanOrEqual(2, count($processes), 'a worker crashed: ' . $server->logs());
        $this->assertPublishesWithAWorker($server);
    }
}
