<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * The simulator, with automatic consent.
 */
final class Simulator
{
    public const REDIRECT = 'http://127.0.0.1:9123/callback';

    public readonly string $origin;
    /** @var array<string, mixed> */
    public readonly array $policy;
    /** @var array<string, string> */
    public readonly array $settings;
    private readonly Program $program;

    /** @param list<string> $more flags */
    public function __construct(array $more = [])
    {
        $flags = ['--port', '0', '--auto-consent', '--describe', '--until-eof', ...$more];
        $this->program = new Program([Built::program('tiktok-simulator'), ...$flags]);
        $described = $this->program->document();
        $this->origin = $described['origin'];
        $this->policy = ['connect_to' => $described['connect_to']];
        $this->settings = $described['app']['settings'];
    }

    /** @return array<mixed> */
    public function get(string $path): array
    {
        return json_decode((string) file_get_contents($this->origin . $path), true, flags: JSON_THROW_ON_ERROR);
    }

    /** @param array<mixed> $body */
    public function send(string $method, string $path, array $body): void
    {
        $context = stream_context_create(['http' => [
            'method' => $method,
            'header' => 'Content-Type: application/json',
            'content' => json_encode($body, JSON_THROW_ON_ERROR),
        ]]);
        file_get_contents($this->origin . $path, false, $context);
    }

    /** Acts as the person's browser: opens the page, consents, and is redirected back. */
    public static function consent(string $url): string
    {
        $curl = curl_init($url);
        curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true]);
        $page = curl_exec($curl);
        $back = curl_getinfo($curl, CURLINFO_REDIRECT_URL);
        return is_string($back) ? $back : throw new \RuntimeException("no way back from $url: $page");
    }
}
