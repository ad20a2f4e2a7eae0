<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * `social-channel serve`, on a Unix socket and a port.
 */
final class Service
{
    public readonly string $socket;
    public readonly string $address;
    private readonly Program $program;

    /** @param array<string, mixed> $policy */
    public function __construct(string $folder, array $policy = [])
    {
        $this->socket = "unix:$folder/service.sock";
        file_put_contents("$folder/policy.json", json_encode($policy ?: new \stdClass(), JSON_THROW_ON_ERROR));
        $this->program = new Program([
            Built::program('social-channel'),
            ...['--data', "$folder/data", '--policy', "$folder/policy.json", '--format', 'json'],
            ...['serve', '--listen', $this->socket, '--listen', '127.0.0.1:0'],
        ], log: "$folder/service.log");
        $listening = $this->program->document()['listening'];
        $this->address = $listening[1];
    }

    public function stop(): void
    {
        $this->program->stop();
    }
}
