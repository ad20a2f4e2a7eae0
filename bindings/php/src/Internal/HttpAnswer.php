<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;

/**
 * What the service answered.
 *
 * @internal
 */
final readonly class HttpAnswer
{
    /** @param array<string, string> $headers by names in lower case */
    public function __construct(public int $status, public array $headers, public string $body)
    {
    }

    /**
     * The document.
     *
     * @return array<mixed>
     *
     * @throws CallException for a failure, of the kind that the service names
     */
    public function document(): array
    {
        $this->check();
        return Json::read($this->body);
    }

    /** @throws CallException for a failure, of the kind that the service names */
    public function check(): void
    {
        if ($this->status >= 200 && $this->status < 300) {
            return;
        }
        $type = $this->headers['content-type'] ?? '';
        $problem = str_starts_with($type, 'application/problem+json') ? json_decode($this->body, true) : null;
        if (is_array($problem) && isset($problem['kind'], $problem['message'])) {
            throw CallException::from(Reader::read(Error::class, $problem));
        }
        // Whoever answered was not the service: a proxy, or another program on that port.
        throw CallException::from(new Error(
            $this->status >= 500 ? ErrorKind::Unavailable : ErrorKind::Misconfigured,
            "the service's address answered with status $this->status and no explanation",
            'check that `service` is the address of `social-channel serve`, and what stands between',
            (string) $this->status,
        ));
    }
}
