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
use SocialChannel\Tests\Support\Snippets;

/**
 * The Laravel part, with Laravel's own container, configuration, router, session, bus and queue (Debian's packages
 * php-illuminate-*). Only the application class, which Debian does not package, is a test double.
 */
final class LaravelTest extends TestCase
{
    private Folder $folder;
    private Simulator $simulator;
    private LaravelApplication $app;
    private Store $session;

    public static function setUpBeforeClass(): void
    {
        // Debian's Illuminate is older than PHP 8.2 and emits deprecations, which are not tested here.
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
        // The middleware group `web` starts the session; here it is added to the request.
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

    /** @return array<string, string> the query of the page to which the browser is redirected */
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

    /** The result of config.php with these lines in `.env`. */
    private static function configured(string ...$lines): array
    {
        foreach ($lines as $name => $value) {
            putenv("$name=$value");
        }
        try {
            return (require dirname(__DIR__) . '/src/Laravel/config.php')['host'];
        } finally {
            foreach (array_keys($lines) as $name) {
                putenv($name);
            }
        }
    }

    public function testANamedServiceIsTheOnePlaceOfTheWebServerAndOfArtisan(): void
    {
        // Artisan, which has FFI like this process; and the web server, which does not.
        $host = self::configured(SOCIAL_CHANNEL_SERVICE: 'unix:/run/one.sock', SOCIAL_CHANNEL_LIBRARY: Built::library());
        $artisan = (new Host($host))->transport();
        $script = 'require $argv[1]; echo json_encode((new SocialChannel\Host(json_decode($argv[2], true)))->transport());';
        $arguments = [dirname(__DIR__) . '/autoload.php', (string) json_encode($host)];
        $off = ['-d', 'ffi.enable=0', '-r', $script, '--'];
        [, $output, $said] = Support\Program::run([PHP_BINARY, ...$off, ...$arguments]);
        $web = json_decode($output, true);
        self::assertSame(['http', 'unix:/run/one.sock'], [$artisan->kind->value, $artisan->where]);
        self::assertSame(['http', 'unix:/run/one.sock'], [$web['kind'] ?? null, $web['where'] ?? null], $output . $said);
    }

    public function testAnEmptyLineOfTheEnvironmentIsOneThatIsNotSet(): void
    {
        $plain = self::configured();
        self::assertSame("{$this->folder->path}/storage/social-channel", $plain['data']);
        $names = ['SOCIAL_CHANNEL_DATA', 'SOCIAL_CHANNEL_LIBRARY', 'SOCIAL_CHANNEL_SERVICE', 'SOCIAL_CHANNEL_API_KEY'];
        self::assertSame($plain, self::configured(...array_fill_keys($names, '')));
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

    public function testTheSnippetsOfTheManualRunAsTheyStand(): void
    {
        $snippets = new Snippets(dirname(__DIR__) . '/README.md');
        $settings = $this->simulator->settings;
        $this->app->make(Host::class)->putApp('shop', $settings, 'tiktok', Simulator::REDIRECT);
        eval($snippets->file('php', 'routes/web.php'));
        $request = Request::create('/connect');
        $request->setLaravelSession($this->session);
        $this->app->instance('request', $request);

        $answer = $this->app->make('router')->dispatch($request);

        self::assertSame(302, $answer->getStatusCode());
        $back = Simulator::consent((string) $answer->headers->get('Location'));
        self::assertStringStartsWith(strtok(Simulator::REDIRECT, '*'), $back);
        $schedule = new class () {
            /** @var list<object> */
            public array $jobs = [];
            public int $minutes = 0;

            public function job(object $job): self
            {
                $this->jobs[] = $job;
                return $this;
            }

            public function everyMinute(): void
            {
                $this->minutes++;
            }
        };
        eval($snippets->file('php', 'app/Console/Kernel.php, in schedule()'));
        self::assertInstanceOf(DriveJobs::class, $schedule->jobs[0]);
        self::assertSame(1, $schedule->minutes);
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
