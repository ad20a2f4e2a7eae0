<?php

declare(strict_types=1);

/*
 * The script of the web server tests: one host per request, as in a platform's page. The file named by CONFIG is
 * the host's configuration.
 */

use SocialChannel\Exception\SocialChannelException;
use SocialChannel\Host;
use SocialChannel\Model\Media;
use SocialChannel\Model\Post;

// Preloaded classes already exist, and only those may use FFI if `ffi.enable` is `preload`.
require_once dirname(__DIR__, 2) . '/autoload.php';

header('Content-Type: application/json');
try {
    $path = (string) parse_url((string) $_SERVER['REQUEST_URI'], PHP_URL_PATH);
    $file = $_SERVER['CONFIG'] ?? getenv('CONFIG');
    $host = new Host(json_decode((string) file_get_contents((string) $file), true, flags: JSON_THROW_ON_ERROR));
    $channel = isset($_GET['channel']) ? $host->channel((string) $_GET['channel']) : null;
    $answer = match ($path) {
        '/transport' => ['sapi' => PHP_SAPI, 'kind' => $host->transport()->kind->value,
            'why' => $host->transport()->why, 'needs_worker' => $host->needsWorker(), 'pid' => getmypid()],
        '/channels' => array_column($host->channels(), 'id'),
        '/profile' => $channel->profile(),
        '/publish' => $channel->publish(
            new Post('video', text: 'From the web', visibility: 'PUBLIC_TO_EVERYONE'),
            Media::file((string) $_GET['file']),
        ),
        '/job' => $host->job((string) $_GET['job'])->wait((float) ($_GET['seconds'] ?? 0)),
        default => http_response_code(404),
    };
} catch (SocialChannelException $error) {
    http_response_code(500);
    $answer = $error->error();
}
echo json_encode($answer);
