<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Model\Media;
use SocialChannel\Model\WebhookAnswer;
use SocialChannel\Transport as Described;

/**
 * The library's calls, for both transports. Documents are passed and returned as arrays; every failure is an
 * exception.
 *
 * @internal
 */
interface Transport
{
    public function describe(): Described;

    /** @return array<mixed> */
    public function loadProvider(string $component): array;

    /**
     * @param array<string, mixed> $source
     *
     * @return array<mixed>
     */
    public function addProvider(array $source): array;

    /**
     * @param array<string, mixed> $source
     *
     * @return array<mixed>
     */
    public function checkProvider(string $provider, array $source): array;

    /**
     * @param array<string, mixed> $source
     *
     * @return array<mixed>
     */
    public function updateProvider(string $provider, array $source): array;

    /** @return array<mixed> */
    public function rollBackProvider(string $provider): array;

    /** @return array<mixed> */
    public function inspectProvider(string $component): array;

    /** @return array<mixed> */
    public function listProviders(): array;

    public function unloadProvider(string $provider): void;

    /**
     * @param array<string, mixed> $config
     *
     * @return array<mixed>
     */
    public function putApp(string $app, #[\SensitiveParameter] array $config): array;

    /** @return array<mixed> */
    public function listApps(): array;

    /** @return array<mixed> */
    public function getApp(string $app): array;

    public function deleteApp(string $app): void;

    /** @return array<mixed> */
    public function checkApp(string $app): array;

    /** @return array<mixed> */
    public function getGuide(string $app): array;

    /**
     * @param array<string, mixed> $options
     *
     * @return array<mixed>
     */
    public function beginConnect(?string $tenant, string $app, #[\SensitiveParameter] array $options): array;

    /** @return array<mixed> */
    public function importChannels(?string $tenant, string $app, #[\SensitiveParameter] array $import): array;

    /** @return array<mixed> */
    public function completeConnect(
        ?string $tenant,
        #[\SensitiveParameter] string $owner,
        #[\SensitiveParameter] string $callback,
    ): array;

    /** @return array<mixed> */
    public function chooseAccount(
        ?string $tenant,
        #[\SensitiveParameter] string $owner,
        #[\SensitiveParameter] string $choice,
        string $accountId,
    ): array;

    /** @return array<mixed> */
    public function listChannels(?string $tenant): array;

    /** @return array<mixed> */
    public function getChannel(?string $tenant, string $channel): array;

    /** @return array<mixed> */
    public function disconnect(?string $tenant, string $channel): array;

    /** @return array<mixed> */
    public function getProfile(?string $tenant, string $channel): array;

    /** @return array<mixed> */
    public function getStats(?string $tenant, string $channel): array;

    /**
     * @param array<string, mixed> $query
     *
     * @return array<mixed>
     */
    public function listPosts(?string $tenant, string $channel, array $query): array;

    /**
     * @param list<string> $ids
     *
     * @return array<mixed>
     */
    public function getPosts(?string $tenant, string $channel, array $ids): array;

    /** @return array<mixed> */
    public function getPublishForm(?string $tenant, string $channel): array;

    /**
     * @param array<string, mixed> $request
     *
     * @return array<mixed>
     */
    public function checkPost(?string $tenant, string $channel, array $request): array;

    /**
     * @param array<string, mixed> $request
     *
     * @return array<mixed>
     */
    public function publish(?string $tenant, string $channel, array $request): array;

    /**
     * @param array<string, mixed> $query
     *
     * @return array<mixed>
     */
    public function listJobs(?string $tenant, array $query): array;

    /** @return array<mixed> */
    public function getJob(?string $tenant, string $job): array;

    /** @return array<mixed> */
    public function getJobHistory(?string $tenant, string $job): array;

    /** @return array<mixed> */
    public function waitForJob(?string $tenant, string $job, int $longestMs): array;

    /** @return array<mixed> */
    public function cancelJob(?string $tenant, string $job): array;

    /** @return array<mixed> */
    public function resumeJob(?string $tenant, string $job): array;

    /**
     * @param array<string, mixed> $change
     *
     * @return array<mixed>
     */
    public function changeJob(?string $tenant, string $job, array $change): array;

    /** @return array<mixed> */
    public function retryJob(?string $tenant, string $job, bool $looked): array;

    /**
     * @param array<string, mixed> $found
     *
     * @return array<mixed>
     */
    public function resolveJob(?string $tenant, string $job, array $found): array;

    /**
     * @param array<string, mixed> $query
     *
     * @return array<mixed>
     */
    public function listEvents(?string $tenant, array $query, int $longestMs): array;

    /**
     * Makes a file readable for the library.
     *
     * @param (callable(int $sent, int $total): void)|null $progress
     */
    public function bring(?string $tenant, Media $media, ?callable $progress): Media;

    /** @param array<string, string|list<string>> $headers */
    public function receiveWebhook(
        string $app,
        string $method,
        string $query,
        array $headers,
        string $body,
    ): WebhookAnswer;

    /** @return array<mixed> */
    public function work(int $longestMs): array;

    public function close(): void;

    /** @return list<array<string, mixed>> what the library noted since the last call; nothing where it is a service's */
    public function readLog(): array;

    public function setLogLevel(string $level): void;
}
