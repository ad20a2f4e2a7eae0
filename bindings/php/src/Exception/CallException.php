<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;
use SocialChannel\Model\Outcome;

/**
 * A failed call. Its class says what to do next.
 */
abstract class CallException extends \RuntimeException implements SocialChannelException
{
    public readonly ErrorKind $kind;
    /** What the person or the operator can do about it. */
    public readonly ?string $remedy;
    /** The platform's own code, unchanged. (`$code` is PHP's own: the status number of the C interface.) */
    public readonly ?string $platformCode;
    /** The setting, post field, option or permission that caused the failure. */
    public readonly ?string $field;
    /** Milliseconds to wait before the next try. */
    public readonly ?int $retryAfterMs;
    /** The platform's own reference for its support. */
    public readonly ?string $traceId;
    /** The provider that was called. */
    public readonly ?string $provider;
    /** The provider's call that failed, by its name in the contract. */
    public readonly ?string $operation;
    /** For calls with effects: what is known about the effect. */
    public readonly ?Outcome $outcome;

    final public function __construct(private readonly Error $error, ?\Throwable $previous = null)
    {
        parent::__construct($error->message, $error->kind->status(), $previous);
        $this->kind = $error->kind;
        $this->remedy = $error->remedy;
        $this->platformCode = $error->code;
        $this->field = $error->field;
        $this->retryAfterMs = $error->retryAfterMs;
        $this->traceId = $error->traceId;
        $this->provider = $error->provider;
        $this->operation = $error->operation;
        $this->outcome = $error->outcome;
    }

    /** The exception of an error's kind. */
    final public static function from(Error $error, ?\Throwable $previous = null): self
    {
        $class = $error->kind->exception();
        return new $class($error, $previous);
    }

    final public function error(): Error
    {
        return $this->error;
    }

    /** Whether the same call may succeed later without any change. */
    final public function isRetryable(): bool
    {
        return $this->kind->isRetryable();
    }
}
