<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;

/**
 * A response of the service.
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
     * @throws CallException for a failure, of the kind that the service returned
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
        // The response did not come from the service, but from a proxy or another program on that port.
        if ($this->status === 413) {
            throw CallException::from(new Error(
                ErrorKind::LimitExceeded,
                'a server in front of the service takes no request this large (status 413)',
                'raise its limit, for example `client_max_body_size` of nginx',
                '413',
            ));
        }
        throw CallException::from(new Error(
            $this->status >= 500 ? ErrorKind::Unavailable : ErrorKind::Misconfigured,
            "the service's address answered with status $this->status and no explanation",
            'check that `service` is the address of `social-channel serve`, and what stands between',
            (string) $this->status,
        ));
    }
}
