<?php

declare(strict_types=1);

namespace SocialChannel\Laravel;

use Illuminate\Contracts\Config\Repository;
use Illuminate\Contracts\Queue\ShouldQueue;
use SocialChannel\Exception\SocialChannelException;
use SocialChannel\Host;

/**
 * Drives publish jobs for a while. Dispatch it every minute from the scheduler
 * (`$schedule->job(new DriveJobs())->everyMinute()`), and after `publish()` to begin at once. Several may run at the
 * same time: each publish job is driven by one of them. Through a service it does nothing, for that drives its own.
 */
final class DriveJobs implements ShouldQueue
{
    /** A turn that failed is not repeated: the next one finds the same jobs. */
    public int $tries = 1;

    /** @throws SocialChannelException */
    public function handle(Host $host, Repository $config): void
    {
        if ($host->needsWorker()) {
            $host->work((float) $config->get('social-channel.work', 50));
        }
    }
}
