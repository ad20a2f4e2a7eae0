<?php

declare(strict_types=1);

namespace SocialChannel\Laravel;

use SocialChannel\Host;

/**
 * `SocialChannel::channels()`.
 *
 * @mixin Host
 */
final class Facade extends \Illuminate\Support\Facades\Facade
{
    protected static function getFacadeAccessor(): string
    {
        return Host::class;
    }
}
