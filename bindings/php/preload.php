<?php

declare(strict_types=1);

/*
 * Lets the library run in the processes of PHP-FPM: with `ffi.enable=preload`, PHP's default, FFI works only in
 * preloaded code. In php.ini or the pool's configuration:
 *
 *     opcache.preload=/path/of/preload.php
 *     opcache.preload_user=www-data
 *
 * Only classes are loaded here. Each worker opens the library itself, because a host cannot be used after a fork.
 */

require_once __DIR__ . '/autoload.php';

$files = new RecursiveIteratorIterator(
    new RecursiveDirectoryIterator(__DIR__ . '/src', FilesystemIterator::SKIP_DOTS),
);
foreach ($files as $file) {
    // The Laravel classes extend classes that may be missing.
    if ($file->getExtension() === 'php' && !str_contains($file->getPathname(), '/Laravel/')) {
        require_once $file->getPathname();
    }
}
