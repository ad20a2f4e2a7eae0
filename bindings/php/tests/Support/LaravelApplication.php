<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

use Illuminate\Container\Container;
use Illuminate\Contracts\Foundation\CachesConfiguration;

/**
 * The part of Laravel's application that a service provider needs: the container and paths.
 */
final class LaravelApplication extends Container implements CachesConfiguration
{
    public function __construct(private readonly string $base)
    {
        $this->instance('app', $this);
        $this->instance(Container::class, $this);
        $this->instance(\Illuminate\Contracts\Container\Container::class, $this);
    }

    public function configPath(string $path = ''): string
    {
        return "$this->base/config/$path";
    }

    public function storagePath(string $path = ''): string
    {
        return rtrim("$this->base/storage/$path", '/');
    }

    public function configurationIsCached(): bool
    {
        return false;
    }

    public function getCachedConfigPath(): string
    {
        return "$this->base/config.php";
    }

    public function getCachedServicesPath(): string
    {
        return "$this->base/services.php";
    }
}
