<?php

declare(strict_types=1);

namespace SocialChannel\Laravel;

use Illuminate\Contracts\Config\Repository;
use Illuminate\Contracts\Queue\ShouldQueue;
use SocialChannel\Exception\SocialChannelException;
use SocialChannel\Host;

/**
 * Runs publish jobs for a while. Dispatch it every minute from the scheduler (`$schedule->job(new
 * DriveJobs())->everyMinute()`), and after `publish()` to start at once. Several may run at the same time: each
 * publish job is run by one of them. With a service it does nothing, because the service runs its own jobs.
 */
final class DriveJobs implements ShouldQueue
{
    /** A failed run is not retried: the next run finds the same jobs. */
    public int $tries = 1;

    /** @throws SocialChannelException */
    public function handle(Host $host, Repository $config): void
    {
        if ($host->needsWorker()) {
            $host->work((float) $config->get('social-channel.work', 50));
        }
    }
}
