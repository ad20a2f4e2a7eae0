<?php

declare(strict_types=1);

/*
 * Copied to config/social-channel.php by `php artisan vendor:publish --tag=social-channel`.
 */

return [
    // Members of SocialChannel\Host's configuration. If a service is configured, both the web server and artisan use
    // it; otherwise the library runs in the process, with `data`.
    'host' => array_filter([
        'data' => env('SOCIAL_CHANNEL_DATA') ?: storage_path('social-channel'),
        'library' => env('SOCIAL_CHANNEL_LIBRARY'),
        'service' => env('SOCIAL_CHANNEL_SERVICE'),
        'api_key' => env('SOCIAL_CHANNEL_API_KEY'),
        // Jobs are run by the queue (SocialChannel\Laravel\DriveJobs), not by the process that stores them.
        'background' => false,
        // An empty variable in .env counts as not set.
    ], static fn ($it) => $it !== null && $it !== ''),

    // The path of the callback: register it as the callback URL. Null: no route; use your own.
    'callback' => '/social-channel/callback',
    'middleware' => ['web'],
    // Where the browser is redirected afterwards, with `channel`, or `error` and `message`, in the query.
    'connected' => '/',

    // Seconds that one run of the queue job works. Must be less than the queue's `retry_after` and the worker's
    // `--timeout`.
    'work' => 50,
];
