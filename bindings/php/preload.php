<?php

declare(strict_types=1);

/*
 * Lets the library run in the processes of PHP-FPM: with `ffi.enable=preload`, PHP's default, FFI works in preloaded
 * code only. In php.ini or the pool's configuration:
 *
 *     opcache.preload=/path/of/preload.php
 *     opcache.preload_user=www-data
 *
 * Only classes are loaded here. The library itself is opened in each worker: a host does not survive a fork.
 */

require_once __DIR__ . '/autoload.php';

$files = new RecursiveIteratorIterator(
    new RecursiveDirectoryIterator(__DIR__ . '/src', FilesystemIterator::SKIP_DOTS),
);
foreach ($files as $file) {
    // The classes for Laravel extend what may not be there.
    if ($file->getExtension() === 'php' && !str_contains($file->getPathname(), '/Laravel/')) {
        require_once $file->getPathname();
    }
}
