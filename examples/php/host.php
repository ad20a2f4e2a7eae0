<?php

declare(strict_types=1);

/*
 * The host that page.php and worker.php share: one data folder, so that the worker drives what the page stores.
 */

use SocialChannel\Host;

/** The folder for everything that must last. */
function data(): string
{
    return getenv('DATA') ?: sys_get_temp_dir() . '/social-channel-page';
}

function host(): Host
{
    $simulator = getenv('SIMULATOR');
    $described = $simulator ? json_decode((string) file_get_contents($simulator), true, flags: JSON_THROW_ON_ERROR) : [];
    // With a service named and no folder of its own, the page needs neither FFI nor a worker.
    $here = getenv('SOCIAL_CHANNEL_SERVICE') && !getenv('DATA') ? [] : ['data' => data()];
    $policy = isset($described['connect_to']) ? ['policy' => ['connect_to' => $described['connect_to']]] : [];
    $host = new Host($here + $policy);

    if ($host->apps() === []) {
        $component = getenv('COMPONENT') ?: throw new RuntimeException('name the provider\'s .wasm file in COMPONENT');
        $provider = $host->loadProvider($component)->provider->descriptor->id;
        $host->putApp('demo', $described['app']['settings'] ?? [], $provider, 'http://127.0.0.1:*/callback');
    }
    return $host;
}
