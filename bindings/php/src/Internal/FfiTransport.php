<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use FFI\CData;
use SocialChannel\Model\Media;
use SocialChannel\Model\WebhookAnswer;
use SocialChannel\Transport as Described;
use SocialChannel\TransportKind;

/**
 * The calls, by the C library in this process. Frees its host on destruction.
 *
 * @internal
 */
final class FfiTransport implements Transport
{
    private readonly CData $host;

    /** @param array<string, mixed> $config */
    public function __construct(
        private readonly Library $library,
        #[\SensitiveParameter] array $config,
        private readonly string $why,
    ) {
        $this->host = $library->openHost($config);
    }

    public function __destruct()
    {
        $this->close();
    }

    public function close(): void
    {
        // Without a host, the constructor has thrown. Freeing twice does nothing.
        if (isset($this->host)) {
            $this->library->freeHost($this->host);
        }
    }

    public function describe(): Described
    {
        return new Described(TransportKind::Ffi, $this->library->path, $this->why);
    }

    public function readLog(): array
    {
        return $this->library->readLog();
    }

    public function setLogLevel(string $level): void
    {
        $this->library->setLogLevel($level);
    }

    public function loadProvider(string $component): array
    {
        return $this->library->documentOfBytes('load_provider', $this->host, $component);
    }

    public function addProvider(array $source): array
    {
        return $this->ask('add_provider', Writer::json($source ?: new \stdClass()));
    }

    public function checkProvider(string $provider, array $source): array
    {
        return $this->ask('check_provider', $provider, Writer::json($source ?: new \stdClass()));
    }

    public function updateProvider(string $provider, array $source): array
    {
        return $this->ask('update_provider', $provider, Writer::json($source ?: new \stdClass()));
    }

    public function rollBackProvider(string $provider): array
    {
        return $this->ask('roll_back_provider', $provider);
    }

    public function inspectProvider(string $component): array
    {
        return $this->library->documentOfBytes('inspect_provider', $this->host, $component);
    }

    public function listProviders(): array
    {
        return $this->ask('list_providers');
    }

    public function unloadProvider(string $provider): void
    {
        $this->library->run('unload_provider', $this->host, $provider);
    }

    public function putApp(string $app, #[\SensitiveParameter] array $config): array
    {
        return $this->ask('put_app', $app, Writer::json($config ?: new \stdClass()));
    }

    public function listApps(): array
    {
        return $this->ask('list_apps');
    }

    public function getApp(string $app): array
    {
        return $this->ask('get_app', $app);
    }

    public function deleteApp(string $app): void
    {
        $this->library->run('delete_app', $this->host, $app);
    }

    public function checkApp(string $app): array
    {
        return $this->ask('check_app', $app);
    }

    /**
     * Why a web server may serve the master key.
     *
     * @return list<string>
     */
    public function servedKey(): array
    {
        $doubts = array_filter($this->ask('get_doubts'), static fn (array $doubt): bool => $doubt['subject'] === 'key');
        return array_values(array_map(static fn (array $doubt): string => "{$doubt['message']} {$doubt['remedy']}", $doubts));
    }

    public function getGuide(string $app): array
    {
        return $this->ask('get_app_guide', $app);
    }

    public function beginConnect(?string $tenant, string $app, #[\SensitiveParameter] array $options): array
    {
        return $this->ask('begin_connect', $tenant, $app, Writer::json($options));
    }

    public function importChannels(?string $tenant, string $app, #[\SensitiveParameter] array $import): array
    {
        return $this->ask('import_channels', $tenant, $app, Writer::json($import));
    }

    public function completeConnect(
        ?string $tenant,
        #[\SensitiveParameter] string $owner,
        #[\SensitiveParameter] string $callback,
    ): array {
        return $this->ask('complete_connect', $tenant, $owner, $callback);
    }

    public function chooseAccount(
        ?string $tenant,
        #[\SensitiveParameter] string $owner,
        #[\SensitiveParameter] string $choice,
        string $accountId,
    ): array {
        return $this->ask('choose_account', $tenant, $owner, $choice, $accountId);
    }

    public function listChannels(?string $tenant): array
    {
        return $this->ask('list_channels', $tenant);
    }

    public function getChannel(?string $tenant, string $channel): array
    {
        return $this->ask('get_channel', $tenant, $channel);
    }

    public function disconnect(?string $tenant, string $channel): array
    {
        return $this->ask('disconnect', $tenant, $channel);
    }

    public function getProfile(?string $tenant, string $channel): array
    {
        return $this->ask('get_profile', $tenant, $channel);
    }

    public function getStats(?string $tenant, string $channel): array
    {
        return $this->ask('get_stats', $tenant, $channel);
    }

    public function listPosts(?string $tenant, string $channel, array $query): array
    {
        return $this->ask('list_posts', $tenant, $channel, Writer::json($query));
    }

    public function getPosts(?string $tenant, string $channel, array $ids): array
    {
        return $this->ask('get_posts', $tenant, $channel, Writer::json(array_values($ids)));
    }

    public function getPublishForm(?string $tenant, string $channel): array
    {
        return $this->ask('get_publish_form', $tenant, $channel);
    }

    public function checkPost(?string $tenant, string $channel, array $request): array
    {
        return $this->ask('check_post', $tenant, $channel, Writer::json($request));
    }

    public function publish(?string $tenant, string $channel, array $request): array
    {
        return $this->ask('publish', $tenant, $channel, Writer::json($request));
    }

    public function listJobs(?string $tenant, array $query): array
    {
        return $this->ask('list_jobs', $tenant, Writer::json($query ?: new \stdClass()));
    }

    public function getJob(?string $tenant, string $job): array
    {
        return $this->ask('get_job', $tenant, $job);
    }

    public function getJobHistory(?string $tenant, string $job): array
    {
        return $this->ask('get_job_history', $tenant, $job);
    }

    public function waitForJob(?string $tenant, string $job, int $longestMs): array
    {
        return $this->ask('wait_for_job', $tenant, $job, $longestMs);
    }

    public function cancelJob(?string $tenant, string $job): array
    {
        return $this->ask('cancel_job', $tenant, $job);
    }

    public function resumeJob(?string $tenant, string $job): array
    {
        return $this->ask('resume_job', $tenant, $job);
    }

    public function changeJob(?string $tenant, string $job, array $change): array
    {
        return $this->ask('change_job', $tenant, $job, Writer::json($change ?: new \stdClass()));
    }

    public function retryJob(?string $tenant, string $job, bool $looked): array
    {
        return $this->ask('retry_job', $tenant, $job, $looked);
    }

    public function resolveJob(?string $tenant, string $job, array $found): array
    {
        return $this->ask('resolve_job', $tenant, $job, Writer::json($found));
    }

    public function listEvents(?string $tenant, array $query, int $longestMs): array
    {
        return $this->ask('list_events', $tenant, Writer::json($query ?: new \stdClass()), $longestMs);
    }

    public function bring(?string $tenant, Media $media, ?callable $progress): Media
    {
        // The library reads the file where it is.
        return $media;
    }

    public function receiveWebhook(
        string $app,
        string $method,
        string $query,
        array $headers,
        string $body,
    ): WebhookAnswer {
        $pairs = [];
        foreach ($headers as $name => $values) {
            foreach ((array) $values as $value) {
                $pairs[] = [(string) $name, $value];
            }
        }
        $request = Writer::json(['method' => $method, 'query' => $query, 'headers' => $pairs]);
        [$reply, $answer] = $this->library->receiveWebhook($this->host, $app, $request, $body);
        return new WebhookAnswer($answer, $reply['content_type'] ?? null, $reply['status'] ?? 200, $reply['new_events'] ?? 0);
    }

    public function work(int $longestMs): array
    {
        // The header's "until shutdown" is the largest number of 64 bits, which is -1 here.
        return $this->ask('work', $longestMs >= Calls::FOREVER ? -1 : $longestMs);
    }

    /** @return array<mixed> */
    private function ask(string $function, #[\SensitiveParameter] string|int|bool|null ...$arguments): array
    {
        return $this->library->document($function, $this->host, ...$arguments);
    }
}
