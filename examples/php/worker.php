<?php

declare(strict_types=1);

/*
 * Drives the jobs that page.php stores; a platform runs this under systemd or supervisor, or `work(50)` every minute
 * by cron. Same environment as page.php:
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
    $worked = $host->work(2);
    if ($worked->jobs > 0) {
        echo gmdate('H:i:s'), " took a job up $worked->jobs times\n";
    }
}
$host->close();
