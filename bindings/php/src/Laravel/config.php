<?php

declare(strict_types=1);

/*
 * Copied to config/social-channel.php by `php artisan vendor:publish --tag=social-channel`.
 */

return [
    // Members of SocialChannel\Host's configuration. Where FFI is off and a service is named, that is called.
    'host' => array_filter([
        'data' => env('SOCIAL_CHANNEL_DATA', storage_path('social-channel')),
        'library' => env('SOCIAL_CHANNEL_LIBRARY'),
        'service' => env('SOCIAL_CHANNEL_SERVICE'),
        'api_key' => env('SOCIAL_CHANNEL_API_KEY'),
        // Jobs are driven by the queue (SocialChannel\Laravel\DriveJobs), not by the process that stores them.
        'background' => false,
    ], static fn ($it) => $it !== null),

    // Where platforms send browsers back to: register it as the callback URL. Null: no route; use your own.
    'callback' => '/social-channel/callback',
    'middleware' => ['web'],
    // Where the browser goes then: `channel` is in the query, or `error` and `message`.
    'connected' => '/',

    // Seconds that one turn of the queue job works. Less than the queue's `retry_after` and the worker's `--timeout`.
    'work' => 50,
];
