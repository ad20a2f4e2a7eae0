<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\Model\Media;
use SocialChannel\Model\WebhookAnswer;
use SocialChannel\Transport as Described;
use SocialChannel\TransportKind;

/**
 * The calls, through `social-channel serve`.
 *
 * @internal
 */
final class HttpTransport implements Transport
{
    private const API = '/api/v1';
    /** The longest time that the service waits for a job. */
    private const WAIT_SECONDS = 55;
    /** The maximum number of jobs per page. */
    private const PAGE = 500;

    /** @var array<string, string> ids of uploads by their source file */
    private array $brought = [];

    public function __construct(private readonly HttpClient $client, private readonly string $why)
    {
    }

    public function describe(): Described
    {
        return new Described(TransportKind::Http, $this->client->service(), $this->why);
    }

    public function readLog(): array
    {
        // A service writes its own.
        return [];
    }

    public function setLogLevel(string $level): void
    {
    }

    public function loadProvider(string $component): array
    {
        return $this->sendBytes('/providers', $component);
    }

    public function addProvider(array $source): array
    {
        return $this->call('POST', '/providers/add', document: $source);
    }

    public function checkProvider(string $provider, array $source): array
    {
        return $this->call('POST', '/providers/' . rawurlencode($provider) . '/check', document: $source);
    }

    public function updateProvider(string $provider, array $source): array
    {
        return $this->call('POST', '/providers/' . rawurlencode($provider) . '/update', document: $source);
    }

    public function rollBackProvider(string $provider): array
    {
        return $this->call('POST', '/providers/' . rawurlencode($provider) . '/rollback');
    }

    public function inspectProvider(string $component): array
    {
        return $this->sendBytes('/providers/inspect', $component);
    }

    public function listProviders(): array
    {
        return $this->call('GET', '/providers');
    }

    public function unloadProvider(string $provider): void
    {
        $this->call('DELETE', '/providers/' . rawurlencode($provider));
    }

    public function putApp(string $app, #[\SensitiveParameter] array $config): array
    {
        return $this->call('PUT', '/apps/' . rawurlencode($app), document: $config);
    }

    public function listApps(): array
    {
        return $this->call('GET', '/apps');
    }

    public function getApp(string $app): array
    {
        return $this->call('GET', '/apps/' . rawurlencode($app));
    }

    public function deleteApp(string $app): void
    {
        $this->call('DELETE', '/apps/' . rawurlencode($app));
    }

    public function checkApp(string $app): array
    {
        return $this->call('GET', '/apps/' . rawurlencode($app) . '/checks');
    }

    public function getGuide(string $app): array
    {
        return $this->call('GET', '/apps/' . rawurlencode($app) . '/guide');
    }

    public function beginConnect(?string $tenant, string $app, #[\SensitiveParameter] array $options): array
    {
        return $this->call('POST', '/apps/' . rawurlencode($app) . '/connects', $tenant, $options);
    }

    public function importChannels(?string $tenant, string $app, #[\SensitiveParameter] array $import): array
    {
        return $this->call('POST', '/apps/' . rawurlencode($app) . '/imports', $tenant, $import);
    }

    public function completeConnect(
        ?string $tenant,
        #[\SensitiveParameter] string $owner,
        #[\SensitiveParameter] string $callback,
    ): array {
        return $this->call('POST', '/connects/complete', $tenant, ['owner' => $owner, 'callback' => $callback]);
    }

    public function chooseAccount(
        ?string $tenant,
        #[\SensitiveParameter] string $owner,
        #[\SensitiveParameter] string $choice,
        string $accountId,
    ): array {
        $document = ['owner' => $owner, 'choice' => $choice, 'account_id' => $accountId];
        return $this->call('POST', '/connects/choose', $tenant, $document);
    }

    public function listChannels(?string $tenant): array
    {
        return $this->all('/channels?limit=' . self::PAGE, $tenant);
    }

    public function getChannel(?string $tenant, string $channel): array
    {
        return $this->call('GET', self::channel($channel), $tenant);
    }

    public function disconnect(?string $tenant, string $channel): array
    {
        return $this->call('DELETE', self::channel($channel), $tenant);
    }

    public function getProfile(?string $tenant, string $channel): array
    {
        return $this->call('GET', self::channel($channel, '/profile'), $tenant);
    }

    public function getStats(?string $tenant, string $channel): array
    {
        return $this->call('GET', self::channel($channel, '/stats'), $tenant);
    }

    public function listPosts(?string $tenant, string $channel, array $query): array
    {
        return $this->call('GET', self::channel($channel, '/posts?' . http_build_query($query)), $tenant);
    }

    public function getPosts(?string $tenant, string $channel, array $ids): array
    {
        if ($ids === []) {
            return [];
        }
        $query = http_build_query(['ids' => implode(',', $ids)]);
        return $this->call('GET', self::channel($channel, "/posts?$query"), $tenant)['posts'] ?? [];
    }

    public function getPublishForm(?string $tenant, string $channel): array
    {
        return $this->call('GET', self::channel($channel, '/publish-form'), $tenant);
    }

    public function checkPost(?string $tenant, string $channel, array $request): array
    {
        return $this->call('POST', self::channel($channel, '/checks'), $tenant, $request);
    }

    public function publish(?string $tenant, string $channel, array $request): array
    {
        // With a generated key, so that a proxy that repeats the request cannot create two jobs.
        $key = $request['idempotency_key'] ??= 'php-' . bin2hex(random_bytes(16));
        $repeat = 'repeat the call with idempotencyKey: ' . var_export($key, true)
            . ' and the same post and media: it gives that job, or makes it';
        return $this->call('POST', self::channel($channel, '/jobs'), $tenant, $request, $repeat);
    }

    public function listJobs(?string $tenant, array $query): array
    {
        if (isset($query['before'])) {
            $query['cursor'] = $query['before'];
            unset($query['before']);
        }
        return $this->call('GET', '/jobs?' . http_build_query($query), $tenant);
    }

    public function getJob(?string $tenant, string $job): array
    {
        return $this->call('GET', self::job($job), $tenant);
    }

    public function getJobHistory(?string $tenant, string $job): array
    {
        return $this->call('GET', self::job($job, '/history'), $tenant);
    }

    public function waitForJob(?string $tenant, string $job, int $longestMs): array
    {
        if ($longestMs >= 1000) {
            $seconds = min(intdiv($longestMs, 1000), self::WAIT_SECONDS);
            return $this->call('GET', self::job($job, "/wait?seconds=$seconds"), $tenant);
        }
        // The service waits in whole seconds; for less, polling twice is equivalent.
        $found = $this->getJob($tenant, $job);
        if (($found['status'] ?? null) !== 'active') {
            return $found;
        }
        usleep($longestMs * 1000);
        return $this->getJob($tenant, $job);
    }

    public function cancelJob(?string $tenant, string $job): array
    {
        return $this->call('POST', self::job($job, '/cancel'), $tenant);
    }

    public function resumeJob(?string $tenant, string $job): array
    {
        return $this->call('POST', self::job($job, '/resume'), $tenant);
    }

    public function changeJob(?string $tenant, string $job, array $change): array
    {
        return $this->call('PATCH', self::job($job), $tenant, $change);
    }

    public function retryJob(?string $tenant, string $job, bool $looked): array
    {
        return $this->call('POST', self::job($job, '/retry'), $tenant, ['looked' => $looked]);
    }

    public function resolveJob(?string $tenant, string $job, array $found): array
    {
        return $this->call('POST', self::job($job, '/resolve'), $tenant, $found);
    }

    public function listEvents(?string $tenant, array $query, int $longestMs): array
    {
        $now = static fn (): int => intdiv(hrtime(true), 1_000_000);
        $end = $now() + $longestMs;
        do {
            // The service waits in whole seconds, and for less than a minute at a time.
            $left = max(0, $end - $now());
            $seconds = min(intdiv($left, 1000), self::WAIT_SECONDS);
            $page = $this->call('GET', '/events?' . http_build_query([...$query, 'wait' => $seconds]), $tenant);
            if (($page['events'] ?? []) !== [] || $left === 0) {
                return $page;
            }
            if ($left < 1000) {
                usleep($left * 1000);
            }
        } while (true);
    }

    public function bring(?string $tenant, Media $media, ?callable $progress): Media
    {
        $path = (string) $media->file;
        $stream = @is_file($path) ? @fopen($path, 'rb') : false;
        if ($stream === false) {
            [$why, $remedy] = Files::whyNot($path);
            $message = "the file $path cannot be read: $why";
            throw CallException::from(new Error(ErrorKind::InvalidRequest, $message, $remedy, field: 'media'));
        }
        try {
            $facts = fstat($stream) ?: [];
            $size = (int) ($facts['size'] ?? 0);
            // A check and the publish after it, or a publish repeated with its key, use the same upload.
            $made = [$tenant, $path, $size, $facts['mtime'] ?? 0, $facts['ino'] ?? 0, $media->contentType];
            $known = hash('sha256', serialize($made));
            if (!isset($this->brought[$known])) {
                $query = http_build_query(['file_name' => basename($path)]);
                $answer = $this->client->send(
                    'POST',
                    self::API . "/uploads?$query",
                    [...self::headers($tenant), 'Content-Type: ' . ($media->contentType ?? 'application/octet-stream')],
                    $stream,
                    $size,
                    $progress,
                );
                $this->brought[$known] = (string) ($answer->document()['id'] ?? '');
            }
        } finally {
            fclose($stream);
        }
        return $media->uploaded($this->brought[$known]);
    }

    public function receiveWebhook(
        string $app,
        string $method,
        string $query,
        array $headers,
        string $body,
    ): WebhookAnswer {
        $lines = [];
        foreach ($headers as $name => $values) {
            // Headers of the connection do not come from the platform.
            $own = ['host', 'content-length', 'connection', 'transfer-encoding', 'authorization', 'cookie', 'expect'];
            if (!in_array(strtolower($name), $own, true)) {
                foreach ((array) $values as $value) {
                    $lines[] = "$name: $value";
                }
            }
        }
        $path = '/webhooks/' . rawurlencode($app) . ($query === '' ? '' : "?$query");
        $answer = $this->client->send($method, $path, $lines, $method === 'GET' ? null : $body);
        $answer->check();
        return new WebhookAnswer($answer->body, $answer->headers['content-type'] ?? null, $answer->status, 0);
    }

    public function work(int $longestMs): array
    {
        throw CallException::from(new Error(
            ErrorKind::Unsupported,
            'the service drives the jobs itself: there is no work to do here',
            'run `work()` only where `Host::needsWorker()` says so',
        ));
    }

    public function close(): void
    {
    }

    private static function channel(string $channel, string $rest = ''): string
    {
        return '/channels/' . rawurlencode($channel) . $rest;
    }

    private static function job(string $job, string $rest = ''): string
    {
        return '/jobs/' . rawurlencode($job) . $rest;
    }

    /** @return list<string> */
    private static function headers(?string $tenant): array
    {
        return $tenant === null ? [] : ["Social-Channel-Tenant: $tenant"];
    }

    /**
     * @param array<string, mixed>|null $document
     *
     * @return array<mixed> empty if the response has no body
     */
    private function call(
        string $method,
        string $path,
        ?string $tenant = null,
        #[\SensitiveParameter] ?array $document = null,
        ?string $repeat = null,
    ): array {
        $answer = $this->ask($method, $path, $tenant, $document, $repeat);
        $answer->check();
        return $answer->status === 204 ? [] : $answer->document();
    }

    /** @param array<string, mixed>|null $document */
    private function ask(
        string $method,
        string $path,
        ?string $tenant,
        #[\SensitiveParameter] ?array $document,
        ?string $repeat = null,
    ): HttpAnswer {
        $headers = self::headers($tenant);
        $body = null;
        if ($document !== null) {
            $headers[] = 'Content-Type: application/json';
            $body = Writer::json($document ?: new \stdClass());
        }
        return $this->client->send($method, self::API . $path, $headers, $body, repeat: $repeat);
    }

    /** @return array<mixed> */
    private function sendBytes(string $path, string $bytes): array
    {
        $headers = ['Content-Type: application/wasm'];
        return $this->client->send('POST', self::API . $path, $headers, $bytes)->document();
    }

    /**
     * All pages of a list.
     *
     * @return list<mixed>
     */
    private function all(string $path, ?string $tenant): array
    {
        $items = [];
        do {
            $answer = $this->ask('GET', $path, $tenant, null);
            array_push($items, ...$answer->document());
            $next = preg_match('~<' . self::API . '([^>]*)>; rel="next"~', $answer->headers['link'] ?? '', $found);
            $path = $next === 1 ? $found[1] : null;
        } while ($path !== null);
        return $items;
    }
}
