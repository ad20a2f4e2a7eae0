<?php

declare(strict_types=1);

namespace SocialChannel\Laravel;

use Illuminate\Contracts\Config\Repository;
use Illuminate\Contracts\Container\Container;
use Illuminate\Support\ServiceProvider;
use SocialChannel\Host;

/**
 * Registers the host in a Laravel application: `app(Host::class)`, the facade, the callback route.
 */
final class SocialChannelServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->mergeConfigFrom(__DIR__ . '/config.php', 'social-channel');
        // One host per process, because opening has a cost. It is opened on first use.
        $this->app->singleton(Host::class, static function (Container $app): Host {
            return new Host((array) $app->make(Repository::class)->get('social-channel.host', []));
        });
        $this->app->alias(Host::class, 'social-channel');
    }

    public function boot(): void
    {
        $this->publishes([__DIR__ . '/config.php' => $this->app->configPath('social-channel.php')], 'social-channel');
        $config = $this->app->make(Repository::class);
        $callback = $config->get('social-channel.callback');
        if (is_string($callback) && $callback !== '') {
            $this->app->make('router')
                ->get($callback, CallbackController::class)
                ->middleware((array) $config->get('social-channel.middleware', []))
                ->name('social-channel.callback');
        }
    }
}
