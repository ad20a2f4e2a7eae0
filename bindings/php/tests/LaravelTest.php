<?php

declare(strict_types=1);

namespace SocialChannel\Tests;

use Illuminate\Config\Repository;
use Illuminate\Container\Container;
use Illuminate\Contracts\Bus\Dispatcher as Bus;
use Illuminate\Events\Dispatcher;
use Illuminate\Http\Request;
use Illuminate\Queue\Capsule\Manager;
use Illuminate\Routing\Router;
use Illuminate\Session\ArraySessionHandler;
use Illuminate\Session\Store;
use Illuminate\Support\Facades\Facade as AnyFacade;
use PHPUnit\Framework\TestCase;
use SocialChannel\Host;
use SocialChannel\Laravel\CallbackController;
use SocialChannel\Laravel\DriveJobs;
use SocialChannel\Laravel\Facade;
use SocialChannel\Laravel\SocialChannelServiceProvider;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;
use SocialChannel\Tests\Support\Built;
use SocialChannel\Tests\Support\Folder;
use SocialChannel\Tests\Support\LaravelApplication;
use SocialChannel\Tests\Support\Simulator;

/**
 * The Laravel part, with Laravel's own container, configuration, router, session, bus and queue (Debian's packages
 * php-illuminate-*). Only the application class, which Debian has no package of its own for, is a stand-in.
 */
final class LaravelTest extends TestCase
{
    private Folder $folder;
    private Simulator $simulator;
    private LaravelApplication $app;
    private Store $session;

    public static function setUpBeforeClass(): void
    {
        // Debian's Illuminate is older than PHP 8.2 and says so at every turn; that is not what is tested.
        error_reporting(E_ALL & ~E_DEPRECATED);
        foreach (['Routing', 'Config', 'Events', 'Session', 'Queue', 'Bus'] as $package) {
            require_once "/usr/share/php/Illuminate/$package/autoload.php";
        }
        require_once '/usr/share/php/Dotenv/autoload.php';
        require_once __DIR__ . '/Support/laravel_helpers.php';
    }

    public static function tearDownAfterClass(): void
    {
        error_reporting(-1);
        AnyFacade::clearResolvedInstances();
        Container::setInstance(null);
    }

    protected function setUp(): void
    {
        $this->folder = new Folder();
        $this->simulator = new Simulator();
        $this->app = new LaravelApplication($this->folder->path);
        Container::setInstance($this->app);
        AnyFacade::setFacadeApplication($this->app);
        $this->app->instance('config', new Repository());
        $this->app->alias('config', \Illuminate\Contracts\Config\Repository::class);
        $this->app->alias('request', Request::class);
        $this->app->singleton('events', static fn ($app) => new Dispatcher($app));
        $this->app->alias('events', \Illuminate\Contracts\Events\Dispatcher::class);
        $this->app->singleton('router', static fn ($app) => new Router($app->make('events'), $app));
        $this->app->singleton(Bus::class, static fn ($app) => new \Illuminate\Bus\Dispatcher($app));
        $this->session = new Store('test', new ArraySessionHandler(10));

        $provider = new SocialChannelServiceProvider($this->app);
        $provider->register();
        $this->app->make('config')->set('social-channel.host', [
            'library' => Built::library(),
            'data' => "{$this->folder->path}/data",
            'policy' => $this->simulator->policy,
            'background' => false,
        ]);
        // The group `web` starts the session; here it is given to the request.
        $this->app->make('config')->set('social-channel.middleware', []);
        $provider->boot();
        $host = $this->app->make(Host::class);
        $host->loadProvider(Built::component('plugin_tiktok'));
        $host->putApp('demo', $this->simulator->settings, 'tiktok', Simulator::REDIRECT);
    }

    protected function tearDown(): void
    {
        $this->app->make(Host::class)->close();
    }

    private function comeBack(string $address): \Symfony\Component\HttpFoundation\Response
    {
        $query = (string) parse_url($address, PHP_URL_QUERY);
        $request = Request::create("/social-channel/callback?$query");
        $request->setLaravelSession($this->session);
        $this->app->instance('request', $request);
        return $this->app->make('router')->dispatch($request);
    }

    /** @return array<string, string> what the page the browser lands on is told */
    private static function told(\Symfony\Component\HttpFoundation\Response $answer): array
    {
        self::assertSame(302, $answer->getStatusCode());
        parse_str((string) parse_url((string) $answer->headers->get('Location'), PHP_URL_QUERY), $told);
        return $told;
    }

    public function testTheHostIsOneAndHasItsFacade(): void
    {
        self::assertSame($this->app->make(Host::class), $this->app->make('social-channel'));
        self::assertSame('demo', Facade::apps()[0]->id);
    }

    public function testTheConfigurationHasDefaults(): void
    {
        self::assertSame('/social-channel/callback', $this->app->make('config')->get('social-channel.callback'));
        self::assertSame(50, $this->app->make('config')->get('social-channel.work'));
        $published = SocialChannelServiceProvider::pathsToPublish(SocialChannelServiceProvider::class, 'social-channel');
        self::assertSame(["{$this->folder->path}/config/social-channel.php"], array_values($published));
    }

    public function testTheCallbackRouteConnectsTheAccount(): void
    {
        $host = $this->app->make(Host::class);
        $url = CallbackController::begin($host, $this->session, 'demo', Simulator::REDIRECT, 'acme');

        $told = self::told($this->comeBack(Simulator::consent($url)));

        self::assertSame('Demo Kitchen', $host->tenant('acme')->channel($told['channel'] ?? '')->displayName);
        self::assertSame([], $host->channels());
    }

    public function testAnotherSessionIsRefused(): void
    {
        $url = CallbackController::begin($this->app->make(Host::class), $this->session, 'demo', Simulator::REDIRECT);
        $back = Simulator::consent($url);
        $this->session = new Store('another', new ArraySessionHandler(10));

        $told = self::told($this->comeBack($back));

        self::assertSame('invalid_request', $told['error']);
        self::assertNotSame('', $told['message']);
    }

    public function testTheQueueDrivesThePublish(): void
    {
        $host = $this->app->make(Host::class);
        $url = CallbackController::begin($host, $this->session, 'demo', Simulator::REDIRECT);
        $told = self::told($this->comeBack(Simulator::consent($url)));
        $post = new Post('video', text: 'Queued', visibility: 'PUBLIC_TO_EVERYONE');
        $video = Media::file($this->folder->file('queued.mp4', 6_000_000));
        $job = $host->channel($told['channel'])->publish($post, $video);
        self::assertFalse($job->wait(1)->hasEnded(), 'nobody drives it before the queue does');
        $this->app->make('config')->set('social-channel.work', 3);
        $queue = new Manager($this->app);
        $queue->addConnection(['driver' => 'sync']);

        for ($turn = 0; $turn < 20 && !$host->job($job->id)->hasEnded(); $turn++) {
            $queue->getConnection()->push(new DriveJobs());
        }

        self::assertSame('published', $host->job($job->id)->status->value);
    }
}
