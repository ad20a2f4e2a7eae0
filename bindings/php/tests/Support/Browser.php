<?php

declare(strict_types=1);

namespace SocialChannel\Tests\Support;

/**
 * A browser without scripts: it keeps cookies, follows redirects, and remembers the last form's token.
 */
final class Browser
{
    private readonly \CurlHandle $curl;
    private string $token = '';
    private string $path = '/';

    public function __construct(private readonly string $origin)
    {
        $this->curl = curl_init();
        curl_setopt_array($this->curl, [
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_FOLLOWLOCATION => true,
            CURLOPT_COOKIEFILE => '',
            CURLOPT_TIMEOUT => 120,
        ]);
    }

    public function get(string $path): string
    {
        curl_setopt($this->curl, CURLOPT_HTTPGET, true);
        return $this->open($path);
    }

    /** @param array<string, string|\CURLFile> $form */
    public function post(string $path, array $form): string
    {
        curl_setopt($this->curl, CURLOPT_POSTFIELDS, $form);
        return $this->open($path);
    }

    public function token(): string
    {
        return $this->token;
    }

    /** The current URL, with the query. */
    public function path(): string
    {
        return $this->path;
    }

    private function open(string $path): string
    {
        curl_setopt($this->curl, CURLOPT_URL, str_starts_with($path, 'http') ? $path : $this->origin . $path);
        $page = (string) curl_exec($this->curl);
        $now = (string) curl_getinfo($this->curl, CURLINFO_EFFECTIVE_URL);
        if (!str_contains($path, '&json')) {
            $this->path = substr($now, strlen($this->origin));
        }
        if (preg_match('/name="token" value="(\w+)"/', $page, $found) === 1) {
            $this->token = $found[1];
        }
        return $page;
    }
}
