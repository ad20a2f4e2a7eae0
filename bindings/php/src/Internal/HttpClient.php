<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\Model\Outcome;

/**
 * Requests to the service. Read requests use a persistent connection.
 *
 * Nothing is sent twice: if a response is lost, the error says what this means, and the caller decides. Everything
 * is checked before it is written, because a line break in a header or URL would begin another request.
 *
 * @internal
 */
final class HttpClient
{
    /** Connecting is local, or across a data centre. */
    private const CONNECT_MS = 5_000;
    /** A provider's call may take 15 minutes, plus one for the transfer. */
    private const TOTAL_MS = 16 * 60_000;

    /** Whether the program uses asynchronous signal handlers. */
    private static bool $signals = false;

    private readonly \CurlHandle $curl;
    private readonly ?string $socket;
    private readonly string $base;

    /** The key, wrapped so that it is never printed. */
    private readonly ?\SensitiveParameterValue $key;

    public function __construct(private readonly string $service, #[\SensitiveParameter] ?string $key)
    {
        if ($key !== null && preg_match('/\A[\x21-\x7e]+\z/', $key) !== 1) {
            throw CallException::from(new Error(
                ErrorKind::Misconfigured,
                'the API key holds a space, a line break or another character that no key has',
                'give it as `social-channel keys create` printed it, without what stands around it',
                field: 'api_key',
            ));
        }
        $this->key = $key === null ? null : new \SensitiveParameterValue($key);
        // Without a path curl would not use a socket, but port 80 of this machine.
        if (preg_match('~\Aunix:/[^\x00-\x1f\x7f]+\z~', $service) === 1) {
            $this->socket = substr($service, 5);
            $this->base = 'http://localhost';
        } elseif (preg_match('~\Ahttps?://[A-Za-z0-9.:\[\]_-]+/?\z~', $service) === 1) {
            $this->socket = null;
            $this->base = rtrim($service, '/');
        } else {
            throw CallException::from(new Error(
                ErrorKind::Misconfigured,
                '`' . addcslashes($service, "\0..\37\177") . '` is not the address of a service',
                'write unix:/run/social-channel.sock, with the whole path, or http://127.0.0.1:8080',
                field: 'service',
            ));
        }
        $curl = curl_init();
        if ($curl === false) {
            throw CallException::from(new Error(ErrorKind::Internal, 'curl gives no handle'));
        }
        $this->curl = $curl;
    }

    /** @return array<string, string|null> for `var_dump()` and the like */
    public function __debugInfo(): array
    {
        return ['service' => $this->service, 'key' => $this->key === null ? null : '****'];
    }

    public function service(): string
    {
        return $this->service;
    }

    /**
     * @param list<string> $headers
     * @param string|resource|null $body a stream is sent while it is read
     * @param (callable(int $sent, int $total): void)|null $progress of the body
     * @param string|null $repeat what to do after a lost response; null: check first
     *
     * @throws CallException
     */
    public function send(
        string $method,
        string $path,
        #[\SensitiveParameter] array $headers = [],
        #[\SensitiveParameter] mixed $body = null,
        ?int $size = null,
        ?callable $progress = null,
        ?string $repeat = null,
    ): HttpAnswer {
        $this->judge($method, $path, $headers);
        $answered = [];
        $options = [
            // If a reused connection breaks, curl would repeat the request.
            CURLOPT_FRESH_CONNECT => $method !== 'GET',
            CURLOPT_URL => $this->base . $path,
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_CONNECTTIMEOUT_MS => self::CONNECT_MS,
            CURLOPT_TIMEOUT_MS => self::TOTAL_MS,
            CURLOPT_FOLLOWLOCATION => false,
            // Tokens and media are never sent through a proxy from the environment.
            CURLOPT_PROXY => '',
            CURLOPT_NOSIGNAL => true,
            CURLOPT_NOPROGRESS => false,
            CURLOPT_XFERINFOFUNCTION => self::onProgress(null, 0, $thrown),
            CURLOPT_HEADERFUNCTION => static function (\CurlHandle $_, string $line) use (&$answered): int {
                [$name, $value] = explode(':', $line, 2) + [1 => null];
                if ($value !== null) {
                    $answered[strtolower(trim($name))] = trim($value);
                }
                return strlen($line);
            },
        ];
        if ($this->socket !== null) {
            $options[CURLOPT_UNIX_SOCKET_PATH] = $this->socket;
        }
        if ($this->key !== null) {
            $headers[] = 'Authorization: Bearer ' . $this->key->getValue();
        }
        if (is_resource($body)) {
            $options[CURLOPT_UPLOAD] = true;
            $options[CURLOPT_INFILESIZE] = $size;
            $options[CURLOPT_READFUNCTION] = static fn ($_, $__, int $length): string => (string) fread($body, $length);
            $options[CURLOPT_TIMEOUT_MS] = 0;
            // Files may have any size, so there is no total time limit, but one for lack of progress.
            $options[CURLOPT_LOW_SPEED_LIMIT] = 1;
            $options[CURLOPT_LOW_SPEED_TIME] = 60;
            if ($progress !== null) {
                $options[CURLOPT_XFERINFOFUNCTION] = self::onProgress($progress, (int) $size, $thrown);
            }
        } elseif ($body !== null) {
            $options[CURLOPT_POSTFIELDS] = $body;
        } elseif ($method === 'POST') {
            $options[CURLOPT_POSTFIELDS] = '';
        }
        // Disables "Expect: 100-continue", which would cost a round trip.
        $headers[] = 'Expect:';
        $options[CURLOPT_HTTPHEADER] = $headers;

        curl_reset($this->curl);
        curl_setopt_array($this->curl, $options);
        // An exception of a handler inside curl would be delayed until the response arrives, so handlers are called
        // from the progress function.
        self::$signals = function_exists('pcntl_async_signals') && pcntl_async_signals(false);
        try {
            $text = curl_exec($this->curl);
        } finally {
            if (self::$signals) {
                pcntl_async_signals(true);
                pcntl_signal_dispatch();
            }
        }
        if (isset($thrown)) {
            throw $thrown;
        }
        if (!is_string($text)) {
            throw $this->failed($method, $path, $repeat);
        }
        return new HttpAnswer((int) curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE), $answered, $text);
    }

    /** @param list<string> $headers */
    private function judge(string $method, string $path, #[\SensitiveParameter] array $headers): void
    {
        $wrong = match (true) {
            preg_match('/\A[A-Za-z]{1,20}\z/', $method) !== 1 => 'method',
            preg_match('/\A[\x21-\x7e]+\z/', $path) !== 1 => 'path',
            default => null,
        };
        foreach ($headers as $header) {
            // Header values of a webhook may contain any text, but no control characters.
            if (preg_match("/\\A[A-Za-z0-9!#$%&'*+.^_`|~-]+: ?[^\\x00-\\x08\\x0a-\\x1f\\x7f]*\\z/", $header) !== 1) {
                $wrong = 'header';
            }
        }
        if ($wrong !== null) {
            throw CallException::from(new Error(
                ErrorKind::InvalidArgument,
                "a $wrong for the service contains a character that no $wrong may have, such as a line break; nothing was sent",
                'give values without control characters; an address is to be encoded',
                'malformed_' . $wrong,
                $wrong,
            ));
        }
    }

    /**
     * Called at least once a second, so that handlers of `pcntl_signal()` run before the response arrives.
     *
     * @param (callable(int $sent, int $total): void)|null $progress
     */
    private static function onProgress(?callable $progress, int $size, ?\Throwable &$thrown): \Closure
    {
        $last = -1;
        return static function ($_, $__, $___, $____, int $sent) use ($progress, $size, &$last, &$thrown): int {
            try {
                if (self::$signals) {
                    pcntl_signal_dispatch();
                }
                if ($progress !== null && $sent !== $last) {
                    $last = $sent;
                    $progress($sent, $size);
                }
                return 0;
            } catch (\Throwable $error) {
                // Exceptions cannot pass through curl: the transfer is aborted, and the exception is thrown
                // afterwards.
                $thrown = $error;
                return 1;
            }
        };
    }

    private function failed(string $method, string $path, ?string $repeat): CallException
    {
        $number = curl_errno($this->curl);
        $why = curl_error($this->curl);
        $unreached = in_array($number, [
            CURLE_COULDNT_RESOLVE_HOST,
            CURLE_COULDNT_CONNECT,
            CURLE_SSL_CONNECT_ERROR,
        ], true);
        $where = $this->service;
        if ($unreached) {
            return CallException::from(new Error(
                ErrorKind::Unavailable,
                "the service at $where does not answer: $why",
                'start it (`social-channel serve`), or correct the address in `service`; a Unix socket can be used '
                    . 'by the user that `social-channel serve` runs as only',
                outcome: $method === 'GET' ? null : Outcome::NotDone,
            ));
        }
        if ($method === 'GET') {
            return CallException::from(new Error(
                ErrorKind::Unavailable,
                "the service at $where broke off: $why",
                'try again; if it persists, check its log',
            ));
        }
        return CallException::from(new Error(
            ErrorKind::OutcomeUnknown,
            "the service at $where did not answer $method $path: $why",
            $repeat ?? 'look whether it was done before trying again',
            outcome: Outcome::Unknown,
        ));
    }
}
