<?php

declare(strict_types=1);

/*
 * The host that page.php and worker.php share: one data folder, so that the worker runs the jobs that the page
 * stores.
 */

use SocialChannel\Host;

/** The folder for all lasting data: an absolute path, outside the folders that the web server serves. */
function data(): string
{
    return getenv('DATA') ?: sys_get_temp_dir() . '/social-channel-page';
}

function host(): Host
{
    $simulator = getenv('SIMULATOR');
    $described = $simulator ? json_decode((string) file_get_contents($simulator), true, flags: JSON_THROW_ON_ERROR) : [];
    // If SOCIAL_CHANNEL_SERVICE names a service, it is used, and the page needs neither FFI nor a worker.
    $policy = isset($described['connect_to']) ? ['policy' => ['connect_to' => $described['connect_to']]] : [];
    $host = new Host(['data' => data()] + $policy);

    if ($host->apps() === []) {
        $component = getenv('COMPONENT') ?: throw new RuntimeException('name the provider\'s .wasm file in COMPONENT');
        $provider = $host->loadProvider($component)->provider->descriptor->id;
        $host->putApp('demo', $described['app']['settings'] ?? [], $provider, 'http://127.0.0.1:*/callback');
    }
    return $host;
}
