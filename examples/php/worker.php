<?php

declare(strict_types=1);

/*
 * Runs the jobs that page.php stores; in production, run it under systemd or supervisor, or call `work(50)` every
 * minute from cron. It needs the same environment as page.php:
 *
 *   php examples/php/worker.php
 */

require __DIR__ . '/../../bindings/php/autoload.php';
require __DIR__ . '/host.php';

$host = host();
if (!$host->needsWorker() && $host->transport()->kind === SocialChannel\TransportKind::Http) {
    exit("nothing to do: {$host->transport()} drives its jobs itself\n");
}
$stop = false;
pcntl_async_signals(true);
foreach ([SIGINT, SIGTERM] as $signal) {
    pcntl_signal($signal, static function () use (&$stop): void {
        $stop = true;
    });
}
while (!$stop) {
    // Returns at once on one of these signals; close() stops running jobs.
    $worked = $host->work(60);
    if ($worked->jobs > 0) {
        echo gmdate('H:i:s'), " took a job up $worked->jobs times\n";
    }
}
$host->close();
