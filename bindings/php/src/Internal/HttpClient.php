<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\Model\Outcome;

/**
 * Requests to the service, over one connection that stays open.
 *
 * Nothing is sent twice: what a lost answer means is said by the error, and the caller decides.
 *
 * @internal
 */
final class HttpClient
{
    /** Connecting is local, or across a data centre. */
    private const CONNECT_MS = 5_000;
    /** A provider's call may take 15 minutes; one more for the way. */
    private const TOTAL_MS = 16 * 60_000;

    private readonly \CurlHandle $curl;
    private readonly ?string $socket;
    private readonly string $base;

    public function __construct(private readonly string $service, #[\SensitiveParameter] private readonly ?string $key)
    {
        if (str_starts_with($service, 'unix:')) {
            $this->socket = substr($service, 5);
            $this->base = 'http://localhost';
        } elseif (preg_match('~^https?://[^/?#]+/?$~', $service) === 1) {
            $this->socket = null;
            $this->base = rtrim($service, '/');
        } else {
            throw CallException::from(new Error(
                ErrorKind::Misconfigured,
                "`$service` is no address of a service",
                'write unix:/run/social-channel.sock or http://127.0.0.1:8080',
                field: 'service',
            ));
        }
        $curl = curl_init();
        if ($curl === false) {
            throw CallException::from(new Error(ErrorKind::Internal, 'curl gives no handle'));
        }
        $this->curl = $curl;
    }

    public function service(): string
    {
        return $this->service;
    }

    /**
     * @param list<string> $headers
     * @param string|resource|null $body a stream is sent as it is read
     * @param (callable(int $sent, int $total): void)|null $progress of the body
     *
     * @throws CallException
     */
    public function send(
        string $method,
        string $path,
        array $headers = [],
        mixed $body = null,
        ?int $size = null,
        ?callable $progress = null,
    ): HttpAnswer {
        $answered = [];
        $options = [
            CURLOPT_URL => $this->base . $path,
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_CONNECTTIMEOUT_MS => self::CONNECT_MS,
            CURLOPT_TIMEOUT_MS => self::TOTAL_MS,
            CURLOPT_FOLLOWLOCATION => false,
            // Tokens and media never leave by a proxy that the environment names.
            CURLOPT_PROXY => '',
            CURLOPT_NOSIGNAL => true,
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
            $headers[] = "Authorization: Bearer $this->key";
        }
        if (is_resource($body)) {
            $options[CURLOPT_UPLOAD] = true;
            $options[CURLOPT_INFILESIZE] = $size;
            $options[CURLOPT_READFUNCTION] = static fn ($_, $__, int $length): string => (string) fread($body, $length);
            $options[CURLOPT_TIMEOUT_MS] = 0;
            // Files of any size: instead of a limit in all, one on standing still.
            $options[CURLOPT_LOW_SPEED_LIMIT] = 1;
            $options[CURLOPT_LOW_SPEED_TIME] = 60;
            if ($progress !== null) {
                $options[CURLOPT_NOPROGRESS] = false;
                $options[CURLOPT_XFERINFOFUNCTION] = self::onProgress($progress, (int) $size, $thrown);
            }
        } elseif ($body !== null) {
            $options[CURLOPT_POSTFIELDS] = $body;
        } elseif ($method === 'POST') {
            $options[CURLOPT_POSTFIELDS] = '';
        }
        // Uploads need no leave to begin, which would cost a round trip.
        $headers[] = 'Expect:';
        $options[CURLOPT_HTTPHEADER] = $headers;

        curl_reset($this->curl);
        curl_setopt_array($this->curl, $options);
        $text = curl_exec($this->curl);
        if (isset($thrown)) {
            throw $thrown;
        }
        if (!is_string($text)) {
            throw $this->failed($method, $path);
        }
        return new HttpAnswer((int) curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE), $answered, $text);
    }

    private static function onProgress(callable $progress, int $size, ?\Throwable &$thrown): \Closure
    {
        $last = -1;
        return static function ($_, $__, $___, $____, int $sent) use ($progress, $size, &$last, &$thrown): int {
            if ($sent === $last) {
                return 0;
            }
            $last = $sent;
            try {
                $progress($sent, $size);
                return 0;
            } catch (\Throwable $error) {
                // Through curl nothing can be thrown: the transfer is broken off, and then it is.
                $thrown = $error;
                return 1;
            }
        };
    }

    private function failed(string $method, string $path): CallException
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
                'try again; if it stays so, look into its log',
            ));
        }
        return CallException::from(new Error(
            ErrorKind::OutcomeUnknown,
            "the service at $where did not answer $method $path: $why",
            'look whether it was done before trying again; a publish with an idempotency key may be repeated',
            outcome: Outcome::Unknown,
        ));
    }
}
